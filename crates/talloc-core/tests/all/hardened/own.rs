//! The canary at the end of each arena's structures.

mod moves;
mod script;

use std::ptr::NonNull;

use talloc_core::{
    ChunkKind, Compact, Config, Fault, Hardened, KnowsBlocks, Memory, Micro, Misuse, OneArena,
    RealTime, Span, Talloc, Violation,
};

use crate::common::found::Note;
use crate::common::{layout, memory, part};
use crate::hardened::{
    Encoded, Even, Repairs, Standard, Tails, faults, found, free, heap, heap_of, malloc, overwrite,
};

/// The size of a canary in bytes.
const CANARY: usize = 64;

/// Returns the structures of all arenas.
fn own_chunks<C: Config<Checks: KnowsBlocks>>(heap: &Talloc<C>) -> Vec<Span> {
    let chunks = heap.inspect().chunks();
    chunks.filter(|chunk| chunk.kind == ChunkKind::Own).map(|chunk| chunk.span).collect()
}

/// Inverts a byte of the canary at the end of an own chunk. Number 1 is the last byte.
fn invert(own: Span, number: usize) {
    let end = NonNull::new(own.get_base_ptr().unwrap()).unwrap();
    let at = own.size() - number;
    // SAFETY: The byte is in the memory of a heap.
    let old = unsafe { end.add(at).read() };
    overwrite(end, at as isize, &[!old]);
}

/// Checks that each arena has a canary, and that the heap verifies.
#[track_caller]
fn expect_canaries<C: Config<Checks: KnowsBlocks>>(heap: &Talloc<C>, arenas: usize) {
    assert_eq!(heap.verify().err(), None);
    let owned = own_chunks(heap);
    assert_eq!(owned.len(), arenas);
    for own in owned {
        for number in 1..=CANARY {
            invert(own, number);
            let addr = own.acme().unwrap() - CANARY;
            assert_eq!(heap.verify(), Err(Violation::OwnCanary { addr }), "{own}: {number}");
            invert(own, number);
        }
    }
    assert_eq!(heap.verify().err(), None);
}

/// Allocates blocks until a request fails.
fn fill<C: Config>(heap: &mut Talloc<C>, size: usize) -> Vec<NonNull<u8>> {
    // SAFETY: `malloc` has no preconditions.
    core::iter::from_fn(|| unsafe { heap.malloc(layout(size, 8)) }.ok()).collect()
}

/// Writes below each block that lies above an own chunk, and frees the block. Returns the number of these blocks.
#[track_caller]
fn underflow<C: Config<Checks: KnowsBlocks>>(
    heap: &mut Talloc<C>,
    blocks: &[NonNull<u8>],
    size: usize,
) -> usize {
    let owned = own_chunks(heap);
    let mut count = 0;
    for own in owned {
        let Some(block) = blocks.iter().find(|block| Some(block.addr().get()) == own.acme()) else {
            continue;
        };
        invert(own, 1 + count % CANARY);
        free(heap, *block, size);
        let [Misuse { addr, fault: Fault::Underflow { block: span }, .. }] = found()[..] else {
            panic!("nothing was found at {block:p}")
        };
        assert_eq!((addr, span.base()), (block.addr().get(), own.acme()));
        assert_eq!(heap.verify().err(), None, "the canary is restored");
        count += 1;
    }
    count
}

/// A write below the first block, at any distance within the canary, is found when the block is freed. The block is
/// freed nevertheless.
fn first_block<C: Config<Checks: KnowsBlocks>>() {
    for distance in 1..=CANARY {
        let mut heap = heap::<C>(1 << 14);
        expect_canaries(&heap, 1);
        let own = own_chunks(&heap)[0];
        let blocks = [(); 4].map(|()| malloc(&mut heap, 16));
        let block = *blocks.iter().min().unwrap();
        assert_eq!(
            Some(block.addr().get()),
            own.acme(),
            "the first block is adjacent to the canary"
        );
        invert(own, distance);
        free(&mut heap, block, 16);
        assert!(matches!(faults()[..], [Fault::Underflow { .. }]), "{distance}");
        free(&mut heap, block, 16);
        assert!(matches!(faults()[..], [Fault::AlreadyFree { .. }]), "{distance}");
        for other in blocks.into_iter().filter(|other| *other != block) {
            free(&mut heap, other, 16);
        }
        assert_eq!((faults(), heap.verify().err()), (vec![], None));
    }
}

#[test]
fn a_write_before_the_first_block_is_found() {
    first_block::<Hardened<Compact, Standard, Note>>();
    first_block::<Hardened<Compact, Tails, Note>>();
    first_block::<Hardened<Compact, Even, Note>>();
    first_block::<Hardened<RealTime, Standard, Note>>();
    first_block::<Hardened<Micro, Tails, Note>>();
    first_block::<Hardened<OneArena<Micro>, Standard, Note>>();
}

#[test]
fn structures_have_no_canary_if_blocks_have_none() {
    let sizes = [
        own_chunks(&heap::<Hardened<Compact, Encoded, Note>>(1 << 14)),
        own_chunks(&heap::<Hardened<Compact, Standard, Note>>(1 << 14)),
    ];
    let [without, with] = sizes.map(|owned| owned[0].size());
    assert_eq!(with, without + CANARY);
}

/// A canary detects writes of a constant, and of bytes copied from elsewhere in it.
#[test]
fn the_words_of_a_canary_differ() {
    let heap = heap::<Hardened<RealTime, Standard, Note>>(1 << 10);
    let own = own_chunks(&heap)[0];
    let words = NonNull::new(own.get_base_ptr().unwrap()).unwrap().cast::<u64>();
    let count = own.size() / size_of::<u64>();
    // SAFETY: The words are in the memory of the heap.
    let word = |number| unsafe { words.add(number).read() };
    let mut canary: Vec<u64> = (count - CANARY / 8..count).map(word).collect();
    canary.sort_unstable();
    canary.dedup();
    assert_eq!(canary.len(), CANARY / 8);
}

#[test]
fn the_canary_is_part_of_the_memory_in_use() {
    let mut heap = heap::<Hardened<RealTime, Standard, Note>>(1 << 10);
    fill(&mut heap, 16);
    let report = heap.verify().unwrap();
    assert_eq!(report.free_bytes, 0);
    assert_eq!(
        (report.high_water_bytes, report.overhead_bytes),
        (1 << 10, own_chunks(&heap)[0].size())
    );
}

/// Checks that the structures of each arena take a multiple of 16 bytes, and that a block lies directly above them.
fn even_structures<C: Config<Checks: KnowsBlocks>>() {
    for more in 0..8 {
        let whole = memory(1 << 15);
        let size = (1 << 13) + more * 512;
        let arenas = [0, 1].map(|number| part(whole, number << 14, size));
        let mut heap = heap_of::<C>(&arenas);
        // SAFETY: `malloc` has no preconditions.
        let take = || unsafe { heap.malloc(layout(40, 16)) }.ok();
        let blocks: Vec<_> = core::iter::from_fn(take).map(|block| block.addr().get()).collect();
        for own in own_chunks(&heap) {
            assert_eq!(own.size() % 16, 0, "{own}");
            assert!(own.acme().is_some_and(|acme| blocks.contains(&acme)), "{own}");
        }
    }
}

/// If all chunks are multiples of 16 bytes, so are the structures.
#[test]
fn no_hole_separates_the_structures_from_an_aligned_block() {
    even_structures::<Hardened<Compact, Even, Note>>();
    even_structures::<Hardened<RealTime, Even, Note>>();
    even_structures::<Hardened<Micro, Even, Note>>();
}

#[test]
fn an_arena_in_a_range_commits_its_canary() {
    let range = memory(1 << 20);
    let mut heap = Talloc::<Hardened<Compact, Standard, Note>>::with_config();
    let mut pieces = Vec::new();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        let mut commit = |piece: Span| {
            pieces.push(piece);
            true
        };
        let arena =
            heap.arenas_mut().claim_part(range, 10_000, Memory::ZEROED, &mut commit).unwrap();
        heap.arena(arena).unwrap().raise_part(range, 5000, &mut commit).unwrap();
    }
    let own = own_chunks(&heap)[0];
    let canary = own.above(own.acme().unwrap() - CANARY);
    assert!(pieces.iter().any(|piece| piece.contains_span(canary)), "{pieces:?}");
    expect_canaries(&heap, 1);
    let block = malloc(&mut heap, 40);
    invert(own, 9);
    free(&mut heap, block, 40);
    assert!(matches!(faults()[..], [Fault::Underflow { .. }]));
}

#[test]
fn a_heap_whose_canary_was_changed_is_repaired_or_closed_before_an_arena_changes() {
    let mut heap = heap::<Hardened<RealTime, Standard, Repairs>>(1 << 14);
    let block = malloc(&mut heap, 40);
    let span = heap.get_arena();
    invert(own_chunks(&heap)[0], 3);
    heap.arena(span).unwrap().truncate(span.truncate(0, 1000)).unwrap();
    assert_eq!(faults(), [Fault::Broken]);
    expect_canaries(&heap, 1);
    free(&mut heap, block, 40);
    assert_eq!((faults(), heap.verify().err()), (vec![], None));

    let mut heap = self::heap::<Hardened<RealTime, Standard, Note>>(1 << 14);
    malloc(&mut heap, 40);
    let span = heap.get_arena();
    invert(own_chunks(&heap)[0], 3);
    let truncated = heap.arena(span).unwrap().truncate(span.truncate(0, 1000));
    assert!(truncated.is_err());
    assert_eq!(faults(), [Fault::Broken]);
}
