//! The canary behind the structures of each arena.

use std::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{
    ChunkKind, Compact, Config, Fault, Hardened, KnowsBlocks, Memory, Micro, Misuse, OneArena,
    OwnedTalloc, RealTime, Span, Talloc, Violation,
};

use crate::common::found::Note;
use crate::common::{layout, memory, part};
use crate::{
    All, Encoded, Even, Repairs, Standard, Tails, faults, found, free, heap, heap_of, malloc,
    overwrite,
};

/// The bytes of a canary.
const CANARY: usize = 64;

/// The structures of all arenas.
fn own_chunks<C: Config<Checks: KnowsBlocks>>(heap: &Talloc<C>) -> Vec<Span> {
    let chunks = heap.inspect().chunks();
    chunks.filter(|chunk| chunk.kind == ChunkKind::Own).map(|chunk| chunk.span).collect()
}

/// Inverts a byte of the canary at the end of an own chunk, the first one below its end being number 1.
fn invert(own: Span, number: usize) {
    let end = NonNull::new(own.get_base_ptr().unwrap()).unwrap();
    let at = own.size() - number;
    // SAFETY: It is a byte of the memory of a heap.
    let old = unsafe { end.add(at).read() };
    overwrite(end, at as isize, &[!old]);
}

/// Checks that each arena has its canary, and that the heap can be verified.
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

/// Allocates blocks until the heap is full.
fn fill<C: Config>(heap: &mut Talloc<C>, size: usize) -> Vec<NonNull<u8>> {
    // SAFETY: `malloc` has no preconditions.
    core::iter::from_fn(|| unsafe { heap.malloc(layout(size, 8)) }.ok()).collect()
}

/// Writes before each block above an own chunk, and frees the block. Returns for how many.
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
        assert_eq!(heap.verify().err(), None, "the canary is written again");
        count += 1;
    }
    count
}

/// A write before the first block, at any distance, is found when it is freed, which succeeds.
fn first_block<C: Config<Checks: KnowsBlocks>>() {
    for distance in 1..=CANARY {
        let mut heap = heap::<C>(1 << 14);
        expect_canaries(&heap, 1);
        let own = own_chunks(&heap)[0];
        let blocks = [(); 4].map(|()| malloc(&mut heap, 16));
        let block = *blocks.iter().min().unwrap();
        assert_eq!(Some(block.addr().get()), own.acme(), "the first block lies on the canary");
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
fn without_canaries_behind_blocks_there_is_none_behind_the_structures() {
    let sizes = [
        own_chunks(&heap::<Hardened<Compact, Encoded, Note>>(1 << 14)),
        own_chunks(&heap::<Hardened<Compact, Standard, Note>>(1 << 14)),
    ];
    let [without, with] = sizes.map(|owned| owned[0].size());
    assert_eq!(with, without + CANARY);
}

/// If all blocks take multiples of 16 bytes, so do the structures.
#[test]
fn no_hole_divides_the_structures_from_a_block_that_is_aligned() {
    for more in 0..40 {
        let mut heap = heap_of::<Hardened<Compact, Even, Note>>(&[part(
            memory(1 << 15),
            0,
            (1 << 12) + more * 512,
        )]);
        // SAFETY: `malloc` has no preconditions.
        let block = unsafe { heap.malloc(layout(40, 16)) }.unwrap();
        assert_eq!(own_chunks(&heap)[0].acme(), Some(block.addr().get()));
    }
}

#[test]
fn each_arena_has_a_canary() {
    let whole = memory(3 << 13);
    let arenas = [0, 1, 2].map(|number| part(whole, number << 13, (1 << 13) - 64));
    let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&arenas);
    expect_canaries(&heap, 3);
    let blocks = fill(&mut heap, 400);
    expect_canaries(&heap, 3);
    assert_eq!(underflow(&mut heap, &blocks, 400), 3);
}

#[test]
fn the_canary_goes_with_structures_that_come_to_lie_between_blocks() {
    for few in 1..40 {
        let memory = memory(1 << 13);
        let arena = part(memory, 1 << 10, 1 << 11);
        let mut heap = heap_of::<Hardened<RealTime, Tails, Note>>(&[arena]);
        let below: Vec<_> = (0..few).map(|_| malloc(&mut heap, 24)).collect();
        // SAFETY: The memory is the heap's for ever.
        unsafe { heap.arena(arena).unwrap().extend(memory, Memory::empty()) }.unwrap();
        expect_canaries(&heap, 1);
        let blocks = [below, fill(&mut heap, 24)].concat();
        expect_canaries(&heap, 1);
        assert_eq!(underflow(&mut heap, &blocks, 24), 1, "{few}");
    }
}

#[test]
fn an_arena_that_is_extended_or_truncated_at_either_end_keeps_its_canary() {
    for (low, high) in [(0, 2048), (2048, 0), (512, 512), (64, 4096), (4096, 64)] {
        let memory = memory(3 << 12);
        let arena = part(memory, 1 << 12, 1 << 12);
        let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[arena]);
        let kept = malloc(&mut heap, 100);
        let wide = arena.extend(low, high);
        // SAFETY: The memory is the heap's for ever.
        unsafe { heap.arena(arena).unwrap().extend(wide, Memory::empty()) }.unwrap();
        expect_canaries(&heap, 1);
        let least = heap.arena(wide).unwrap().allocated_span();
        heap.arena(wide).unwrap().truncate(least).unwrap();
        expect_canaries(&heap, 1);
        free(&mut heap, kept, 100);
        heap.arena(least).unwrap().truncate(least.truncate(0, 8)).unwrap();
        assert_eq!((heap.verify().err(), faults()), (None, vec![]));
    }
}

#[test]
fn an_arena_that_is_laid_out_anew_has_a_new_canary() {
    let memory = memory(1 << 14);
    let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[part(memory, 4096, 4096)]);
    let span = heap.get_arena();
    // SAFETY: The memory is the heap's for ever.
    unsafe { heap.arena(span).unwrap().extend(memory, Memory::empty()) }.unwrap();
    expect_canaries(&heap, 1);
    let block = malloc(&mut heap, 24);
    assert_eq!(underflow(&mut heap, &[block], 24), 1);
}

/// When nothing is allocated any more, structures between the blocks move back to the start.
#[test]
fn the_canary_goes_with_structures_that_move_back_to_the_start() {
    let memory = memory(1 << 13);
    let arena = part(memory, 0, 1 << 11);
    let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[arena]);
    let block = malloc(&mut heap, 500);
    // SAFETY: The memory is the heap's for ever.
    unsafe { heap.arena(arena).unwrap().extend(memory, Memory::empty()) }.unwrap();
    assert_ne!(own_chunks(&heap)[0].base(), memory.base(), "the structures have moved");
    free(&mut heap, block, 500);
    heap.flush();
    assert_eq!(own_chunks(&heap)[0].base(), memory.base());
    expect_canaries(&heap, 1);
    let blocks = fill(&mut heap, 48);
    assert_eq!(underflow(&mut heap, &blocks, 48), 1);
}

#[test]
fn arenas_that_merge_have_one_canary() {
    // Either arena has room for the structures of both, or none has.
    for (lower_size, upper_size) in [(0, 0), (2000, 0), (0, 2000), (2000, 2000)] {
        let memory = memory(1 << 13);
        let [lower, upper] = [0, 1].map(|number| part(memory, number << 12, 1 << 12));
        let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[lower, upper]);
        let blocks = fill(&mut heap, 48);
        let (mut kept, mut room) = (Vec::new(), [lower_size, upper_size]);
        for block in blocks {
            let room = &mut room[usize::from(upper.contains(block.addr().get()))];
            if *room > 0 {
                *room -= 40;
                free(&mut heap, block, 48);
            } else {
                kept.push(block);
            }
        }
        // SAFETY: The memory is one piece, which the pointer of the lower arena is valid for.
        let merged = unsafe { heap.arena(lower).unwrap().merge(upper) };
        expect_canaries(&heap, if merged.is_ok() { 1 } else { 2 });
        assert_eq!(merged.is_ok(), lower_size + upper_size > 0);
        kept.extend(fill(&mut heap, 48));
        assert_eq!(underflow(&mut heap, &kept, 48), own_chunks(&heap).len());
    }
}

/// Structures above all blocks have no block above them. Nothing of the heap lies below its lowest block then.
#[test]
fn the_canary_of_structures_at_the_end_is_kept_and_found_by_verify() {
    let memory = memory(1 << 14);
    let mut heap = heap_of::<Hardened<RealTime, Standard, Note>>(&[part(memory, 0, 1 << 12)]);
    let blocks = fill(&mut heap, 40);
    for size in [1 << 12, 1 << 11, 1 << 12] {
        let arena = heap.get_arena();
        // SAFETY: The memory is the heap's for ever.
        unsafe { heap.arena(arena).unwrap().raise(size, Memory::empty()) }.unwrap();
        assert_eq!(own_chunks(&heap)[0].acme(), heap.get_arena().acme());
        expect_canaries(&heap, 1);
    }
    for block in blocks {
        free(&mut heap, block, 40);
    }
    let arena = heap.get_arena();
    // SAFETY: The memory is the heap's for ever.
    unsafe { heap.arena(arena).unwrap().extend(memory, Memory::empty()) }.unwrap();
    expect_canaries(&heap, 1);
    let blocks = fill(&mut heap, 40);
    assert_eq!(underflow(&mut heap, &blocks, 40), 1);
}

#[test]
fn an_arena_in_a_range_commits_its_canary() {
    let range = memory(1 << 20);
    let mut heap = Talloc::<Hardened<Compact, Standard, Note>>::with_config();
    let mut pieces = Vec::new();
    // SAFETY: The memory is the heap's for ever.
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

/// Changes an arena of the heap in some way, if it can.
fn reshape<C: Config>(heap: &mut OwnedTalloc<C>, memory: Span, rng: &mut Rng) {
    let mut arenas: Vec<Span> = heap.arenas().filter(|arena| arena.is_sized()).collect();
    arenas.sort_by_key(|arena| arena.base());
    let index = rng.usize(..arenas.len());
    let arena = arenas[index];
    let low = if index == 0 { memory.base() } else { arenas[index - 1].acme() };
    let high = arenas.get(index + 1).map_or(memory.acme(), |above| above.base());
    let room = memory.above(low.unwrap()).below(high.unwrap());
    let by = [(); 2].map(|()| rng.usize(..1500));
    // SAFETY: All of the memory is the heap's for ever, and its pointer is valid for all arenas.
    let _ = unsafe {
        match rng.usize(..6) {
            0 => {
                let new = arena.extend(by[0], by[1]).fit_within(room);
                heap.arena(arena).and_then(|mut arena| arena.extend(new, Memory::empty()))
            }
            1 => {
                let new = arena.truncate(by[0].min(arena.size()), 0);
                let new = new.truncate(0, by[1].min(new.size()));
                heap.arena(arena).and_then(|mut arena| arena.truncate(new))
            }
            2 if by[0] <= high.unwrap() - arena.acme().unwrap() => {
                heap.arena(arena).and_then(|mut arena| arena.raise(by[0], Memory::empty()))
            }
            3 => heap.claim(room.above(arena.acme().unwrap())),
            4 => heap.arena(arena).and_then(|mut lower| match arenas.get(index + 1) {
                Some(upper) => lower.merge(*upper),
                None => Ok(()),
            }),
            _ if arenas.len() > 1 => heap.arena(arena).and_then(|arena| arena.release()),
            _ => Ok(()),
        }
    };
}

/// A random script: arenas change, blocks come and go, and now and then one writes before its start.
fn script<C: Config<Checks: KnowsBlocks>>(seed: u64) -> usize {
    let mut rng = Rng::with_seed(seed);
    let memory = memory(1 << 15);
    let first = part(memory, 8 * rng.usize(..1024), 1 << 12);
    let mut heap = heap_of::<C>(&[first]);
    let mut blocks: Vec<(NonNull<u8>, usize)> = Vec::new();
    let mut underflows = 0;
    for _ in 0..300 {
        match rng.usize(..8) {
            0 => reshape(&mut heap, memory, &mut rng),
            1..=4 => {
                let size = rng.usize(1..200);
                // SAFETY: `malloc` has no preconditions.
                if let Ok(block) = unsafe { heap.malloc(layout(size, 8)) } {
                    blocks.push((block, size));
                }
            }
            _ if !blocks.is_empty() => {
                let (block, size) = blocks.swap_remove(rng.usize(..blocks.len()));
                free(&mut heap, block, size);
            }
            _ => heap.flush(),
        }
        assert_eq!((heap.verify().err(), faults()), (None, vec![]), "seed {seed}");
        for own in own_chunks(&heap) {
            let number = rng.usize(1..=CANARY);
            invert(own, number);
            let found = heap.verify();
            assert!(matches!(found, Err(Violation::OwnCanary { .. })), "seed {seed}: {found:?}");
            let above = |(block, _): &(NonNull<u8>, _)| Some(block.addr().get()) == own.acme();
            match blocks.iter().position(above).filter(|_| rng.u8(..4) == 0) {
                Some(index) => {
                    let (block, size) = blocks.swap_remove(index);
                    free(&mut heap, block, size);
                    assert!(matches!(faults()[..], [Fault::Underflow { .. }]), "seed {seed}");
                    underflows += 1;
                }
                None => invert(own, number),
            }
            assert_eq!(heap.verify().err(), None, "seed {seed}");
        }
    }
    underflows
}

#[test]
fn random_changes_of_arenas_keep_the_canaries() {
    let seeds = if cfg!(miri) { 2 } else { 40 };
    let scripts = [
        script::<Hardened<Compact, Standard, Note>>,
        script::<Hardened<Compact, All, Note>>,
        script::<Hardened<RealTime, Tails, Note>>,
        script::<Hardened<RealTime, Even, Note>>,
        script::<Hardened<Micro, Standard, Note>>,
    ];
    for script in scripts {
        let underflows: usize = (0..seeds).map(script).sum();
        assert!(underflows as u64 > seeds / 2, "{underflows} blocks lay on a canary");
    }
}
