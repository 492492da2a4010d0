//! Overwritten structures: the heap does not use them.

use std::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{
    Align, AllocError, ArenaError, Batch, Checked, ChunkKind, Compact, Config, Fault, Hardened,
    KnowsBlocks, Memory, Micro, OwnedTalloc, RealTime, Talloc,
};

use crate::common::found::Note;
use crate::common::{layout, memory, part};
use crate::hardened::{
    All, Blocks, Encoded, SEEDS, Standard, faults, found, free, heap, heap_of, holes, malloc,
    overwrite, use_up,
};

#[test]
fn a_write_to_a_link_of_a_list_closes_the_heap() {
    let mut heap = heap::<Hardened<Compact, Standard, Note>>(1 << 16);
    let blocks = [(); 4].map(|()| malloc(&mut heap, 64));
    for block in blocks {
        free(&mut heap, block, 64);
    }
    overwrite(blocks[3], 0, &[0x41; 8]);
    assert_eq!(malloc(&mut heap, 64), blocks[3]);
    // SAFETY: `malloc` has no preconditions.
    let next = unsafe { heap.malloc(layout(64, 8)) };
    assert!(next.is_ok_and(|next| !blocks.contains(&next)) || next.is_err());
    assert_eq!(faults(), [Fault::Broken]);
    // SAFETY: `malloc` has no preconditions.
    assert_eq!(unsafe { heap.malloc(layout(64, 8)) }, Err(AllocError));
    free(&mut heap, blocks[3], 64);
    assert_eq!(faults(), [], "broken structures are reported once");
}

#[test]
fn a_broken_chunk_in_another_arena_is_found() {
    let whole = memory(3 << 13);
    let arenas = [0, 1, 2].map(|number| part(whole, number << 13, (1 << 13) - 64));
    let mut heap = heap_of::<Hardened<RealTime, Encoded, Note>>(&arenas);
    // SAFETY: `malloc` has no preconditions.
    let mut take = |size| unsafe { heap.malloc(layout(size, 8)) };
    let blocks: Vec<_> = core::iter::from_fn(|| take(496).ok()).collect();
    let second = blocks.iter().find(|block| arenas[1].contains(block.addr().get())).unwrap();
    free(&mut heap, *second, 496);
    overwrite(*second, 0, &[0xff; 8]);
    // SAFETY: `malloc` has no preconditions.
    while unsafe { heap.malloc(layout(488, 8)) }.is_ok() {}
    assert_eq!(faults(), [Fault::Broken]);
}

#[test]
fn a_broken_chunk_that_a_discard_finds_in_another_arena_closes_the_heap() {
    let mut heap = Talloc::<Hardened<RealTime, Encoded, Note>>::with_config();
    let arenas = [(); 3].map(|()| memory(1 << 12));
    for arena in arenas {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.arenas_mut().claim_as(arena, Memory::RECLAIMABLE) }.unwrap();
    }
    // SAFETY: `malloc` has no preconditions.
    let blocks = || unsafe { heap.malloc(layout(496, 8)) }.ok();
    let blocks: Vec<_> = core::iter::from_fn(blocks).collect();
    let [first, middle, _] = arenas
        .map(|arena| *blocks.iter().find(|block| arena.contains(block.addr().get())).unwrap());
    free(&mut heap, middle, 496);
    overwrite(middle, 0, &[0x5a; 8]);
    free(&mut heap, first, 496);
    // SAFETY: The memory of discarded pieces stays as it is.
    unsafe { heap.arenas_mut().discard(Align::new(8).unwrap(), 64, |_| Memory::empty()) };
    // The first arena has room, and its chunks are intact.
    malloc(&mut heap, 496);
    assert_eq!(faults(), [Fault::Broken]);
}

/// Creates a heap that has found an overwritten chunk, and its blocks.
fn closed() -> (OwnedTalloc<Hardened<RealTime, All, Note>>, Blocks) {
    let (mut heap, blocks, chunks) = holes();
    overwrite(NonNull::new(chunks[0].get_base_ptr().unwrap()).unwrap(), 0, &[0x5a; 8]);
    // SAFETY: `malloc` has no preconditions.
    while unsafe { heap.malloc(layout(1, 8)) }.is_ok() {}
    assert_eq!(faults(), [Fault::Broken]);
    (heap, blocks)
}

#[test]
fn blocks_of_a_closed_heap_can_be_checked() {
    let (heap, blocks) = closed();
    let (block, size) = blocks[0];
    assert!(heap.inspect().check(block, layout(size, 8)).is_ok());
    assert!(heap.inspect().check(block, layout(size + 8, 8)).is_err());
}

/// Overwrites sizes and links of free chunks, and uses the heap.
fn overwritten<C: Config>(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let (mut heap, blocks, chunks) = holes::<C>();
    let chunk = chunks[rng.usize(..chunks.len())];
    let base = NonNull::new(chunk.get_base_ptr().unwrap()).unwrap();
    let unit = size_of::<C::Index>() as isize;
    let end = chunk.size() as isize;
    let places = [0, unit, 2 * unit, end - unit];
    let at = places[rng.usize(..if chunk.size() < 16 { 1 } else { 4 })];
    let bytes = match rng.usize(..3) {
        0 => vec![0; unit as usize],
        1 => vec![0xff; unit as usize],
        // SAFETY: The address is in the memory of the heap.
        _ => vec![unsafe { base.offset(at).read() } ^ 1 << rng.usize(..8)],
    };
    overwrite(base, at, &bytes);
    use_up(&mut heap, blocks, &mut rng);
    for misuse in found() {
        assert_eq!(
            misuse.fault,
            Fault::Broken,
            "{misuse}, seed {seed}, {} byte {at} of {chunk}: {bytes:?}",
            std::any::type_name::<C>()
        );
    }
}

#[test]
fn overwritten_free_chunks_break_no_blocks() {
    for seed in 0..SEEDS {
        overwritten::<Hardened<Compact, Standard, Note>>(seed);
        overwritten::<Hardened<Compact, All, Note>>(seed);
        overwritten::<Hardened<RealTime, All, Note>>(seed);
        // This excludes `Micro`, because one in 65,536 random 16-bit values matches by chance.
    }
}

#[test]
fn an_overwritten_free_chunk_is_reported_before_it_is_used() {
    let mut reported = 0;
    for number in 0..20 {
        let (mut heap, _, chunks) = holes::<Hardened<RealTime, All, Note>>();
        let chunk = chunks[number % chunks.len()];
        overwrite(NonNull::new(chunk.get_base_ptr().unwrap()).unwrap(), 4, &[0x5a; 8]);
        // SAFETY: `malloc` has no preconditions.
        while unsafe { heap.malloc(layout(1, 8)) }.is_ok() {}
        reported += usize::from(!faults().is_empty());
    }
    assert_eq!(reported, 20);
}

#[test]
fn arenas_of_a_broken_heap_do_not_change() {
    let (mut heap, _, chunks) = holes::<Hardened<RealTime, All, Note>>();
    overwrite(NonNull::new(chunks[0].get_base_ptr().unwrap()).unwrap(), 0, &[0x5a; 4]);
    let span = heap.get_arena();
    let result = heap.arena(span).and_then(|mut arena| arena.truncate(span));
    assert_eq!(result.err(), Some(ArenaError::Broken));
}

#[test]
fn arenas_of_a_closed_heap_keep_their_spans() {
    let (mut heap, _) = closed();
    let span = heap.get_arena();
    let mut arena = heap.arena(span).unwrap();
    // SAFETY: The heap is closed, so it does not use this memory.
    let results = unsafe {
        [
            arena.extend(span.extend(0, 1 << 10), Memory::empty()),
            arena.raise(1 << 10, Memory::empty()),
            arena.truncate(span.truncate(0, 1 << 10)),
        ]
    };
    assert_eq!(results, [Err(ArenaError::Broken); 3]);
    assert_eq!((heap.get_arena(), faults()), (span, vec![]));
}

#[test]
fn a_closed_heap_ignores_freed_blocks() {
    let (mut heap, blocks) = closed();
    let used = heap.inspect().used_bytes();
    let (block, size) = blocks[0];
    let mut batch = Batch::EMPTY;
    // SAFETY: The block has room for a link, and is not used any more.
    unsafe {
        batch.push(block);
        heap.backend().free_batch(size, batch);
    }
    free(&mut heap, blocks[1].0, blocks[1].1);
    assert_eq!((heap.inspect().used_bytes(), faults()), (used, vec![]));
}

/// Frees blocks, which go to a list, overwrites their links, and inspects the heap.
fn inspect_overwritten_links<C: Config>() {
    let mut heap = heap::<C>(1 << 16);
    let blocks = [(); 4].map(|()| malloc(&mut heap, 100));
    for block in blocks {
        free(&mut heap, block, 100);
    }
    let cached = |heap: &Talloc<C>| {
        heap.inspect().free_chunks().filter(|chunk| chunk.kind == ChunkKind::Cached).count()
    };
    let before = cached(&heap);
    assert!(before >= blocks.len());
    for block in blocks {
        overwrite(block, 0, &[0x41; 8]);
    }
    // The first block is found without a link.
    assert!(cached(&heap) <= before - (blocks.len() - 1));
    assert!(heap.inspect().size_classes().to_string().lines().count() > 1);
}

#[test]
fn a_list_with_an_overwritten_link_can_be_inspected() {
    inspect_overwritten_links::<Hardened<Compact, Standard, Note>>();
    inspect_overwritten_links::<Hardened<Compact, All, Note>>();
}

/// Flips each bit of the bitmap of a heap with blocks of all kinds, and walks the heap.
fn flip_each_bit<C: Config<Checks: KnowsBlocks>>() {
    let mut heap = heap::<C>(1 << 14);
    // The marks of some of these blocks take a word of the bitmap.
    let sizes = [1024, 40, 2000, 1, 700, 3000];
    let blocks = sizes.map(|size| malloc(&mut heap, size));
    free(&mut heap, blocks[2], sizes[2]);
    free(&mut heap, blocks[3], sizes[3]);
    let own = heap.inspect().chunks().find(|chunk| chunk.kind == ChunkKind::Own).unwrap().span;
    let base = NonNull::new(own.get_base_ptr().unwrap()).unwrap();
    for bit in 0..own.size() * 8 {
        // SAFETY: The byte is in the bitmap.
        let byte = unsafe { base.add(bit / 8) };
        // SAFETY: The byte is in the bitmap.
        let flip = || unsafe { byte.write(byte.read() ^ 1 << (bit % 8)) };
        flip();
        let _ = heap.verify();
        assert!(heap.inspect().chunks().take(5000).count() < 5000, "bit {bit}");
        for block in blocks {
            let _ = heap.inspect().size_of_block(block);
            let _ = heap.inspect().check(block, layout(8, 8));
        }
        flip();
    }
    assert!(heap.verify().is_ok());
}

#[test]
fn a_walk_ends_whatever_bit_of_the_bitmap_is_flipped() {
    flip_each_bit::<Checked<Compact, Note>>();
    flip_each_bit::<Checked<Micro, Note>>();
    flip_each_bit::<Hardened<Compact, All, Note>>();
}
