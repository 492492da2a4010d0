//! Sources that discard memory: the pieces they get, and the state of the memory afterwards.

mod random;

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::common::{layout, memory, part};
use talloc_core::{
    Align, AllocError, Compact, Config, Memory, OwnedTalloc, RealTime, Source, Span, Talloc,
};

const UNIT: Align = Align::new(1024).unwrap();
const MIN_PIECE: usize = 4096;

/// The properties of memory that can be discarded.
const KNOWN: Memory = Memory::ZEROED.union(Memory::RECLAIMABLE);

/// Creates a heap with an arena of `known` memory, in which a block of `size` bytes has been allocated and freed.
fn used_heap<C: Config>(bytes: usize, size: usize, known: Memory) -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    // SAFETY: The memory is leaked and zero, and nothing else uses it; the block is freed once.
    unsafe {
        heap.arenas_mut().claim_as(memory(bytes), known).unwrap();
        let block = heap.malloc(layout(size, 8)).unwrap();
        block.write_bytes(1, size);
        heap.free(block, layout(size, 8));
    }
    heap
}

/// Discards all possible pieces and leaves them zero. Returns the bytes discarded and the bytes left.
fn discard<C: Config>(heap: &mut Talloc<C>, least: usize) -> (usize, usize) {
    let mut bytes = 0;
    // SAFETY: The pieces can be used as before, and are zero.
    let left = unsafe {
        heap.arenas_mut().discard(UNIT, least, |piece| {
            piece.get_base_ptr().unwrap().write_bytes(0, piece.size());
            bytes += piece.size();
            Memory::ZEROED
        })
    };
    heap.verify().unwrap();
    (bytes, left)
}

#[test]
fn a_discarded_top_is_like_new_memory() {
    let mut heap = used_heap::<Compact>(1 << 20, 500_000, KNOWN);
    let high_water = heap.verify().unwrap().high_water_bytes;
    let dirty = |heap: &mut Talloc| {
        // SAFETY: The block is freed once.
        unsafe {
            let (block, dirty) = heap.backend().malloc_dirty(layout(400_000, 8)).unwrap();
            heap.free(block, layout(400_000, 8));
            dirty
        }
    };
    assert_eq!(dirty(&mut heap), 400_000);
    let (bytes, left) = discard(&mut heap, MIN_PIECE);
    assert!((500_000 - 2048..520_000).contains(&bytes), "{bytes}");
    assert_eq!(left, 0);
    assert_eq!(discard(&mut heap, MIN_PIECE).0, 0, "the memory has not been used since");
    assert_eq!(heap.verify().unwrap().high_water_bytes, high_water);
    assert!(dirty(&mut heap) <= 2048);
    assert!(discard(&mut heap, MIN_PIECE).0 > 390_000);
}

#[test]
fn an_arena_that_is_raised_can_be_discarded_if_all_of_it_can() {
    for (added, may_be) in [(KNOWN, true), (Memory::ZEROED, false)] {
        let mut heap = Talloc::<Compact>::with_config();
        // SAFETY: The memory is leaked and zero, and nothing else uses it.
        unsafe {
            heap.arenas_mut().claim_as(part(memory(1 << 20), 0, 1 << 18), KNOWN).unwrap();
            for _ in 0..3 {
                let arena = heap.get_arena();
                heap.arena(arena).and_then(|mut arena| arena.raise(1 << 18, added)).unwrap();
                heap.verify().unwrap();
            }
        }
        // The memory below the last bitmap held earlier bitmaps.
        let bytes = discard(&mut heap, MIN_PIECE).0;
        assert_eq!(bytes > 1 << 19, may_be, "{bytes}");
    }
}

#[test]
fn used_memory_is_remembered_when_the_bitmap_moves() {
    let mut heap = Talloc::<Compact>::with_config();
    let memory = memory(1 << 20);
    // SAFETY: The memory is leaked and zero, and nothing else uses it; the blocks are freed once.
    unsafe {
        heap.arenas_mut().claim_as(part(memory, 0, 10_000), KNOWN).unwrap();
        let low = heap.malloc(layout(2000, 8)).unwrap();
        // The bitmap becomes too small, and moves to the end of the memory or above the block.
        let arena = heap.get_arena();
        heap.arena(arena).and_then(|mut arena| arena.extend(memory, KNOWN)).unwrap();
        let high = heap.malloc(layout(500_000, 8)).unwrap();
        heap.free(low, layout(2000, 8));
        heap.free(high, layout(500_000, 8));
    }
    // The bitmap moves back to the start, and all bits are as in a new arena.
    heap.flush();
    let (bytes, _) = discard(&mut heap, MIN_PIECE);
    assert!(bytes > 490_000, "{bytes}");
    assert_eq!(discard(&mut heap, MIN_PIECE).0, 0, "the memory has not been used since");
    // SAFETY: `malloc_dirty` has no preconditions.
    let (_, dirty) = unsafe { heap.backend().malloc_dirty(layout(400_000, 8)) }.unwrap();
    assert!(dirty <= 2048, "{dirty}");
}

#[test]
fn memory_that_was_never_zero_is_not_taken_for_zero() {
    let memory = memory(1 << 20);
    let mut heap = Talloc::<Compact>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it; the blocks are freed once.
    unsafe {
        memory.get_base_ptr().unwrap().write_bytes(0xff, memory.size());
        heap.arenas_mut().claim_as(memory, Memory::RECLAIMABLE).unwrap();
        let block = heap.malloc(layout(100_000, 8)).unwrap();
        heap.free(block, layout(100_000, 8));
        assert!(discard(&mut heap, MIN_PIECE).0 > 90_000);
        let block = heap.malloc_zeroed(layout(500_000, 8)).unwrap();
        let content = NonNull::slice_from_raw_parts(block, 500_000).as_ref();
        assert!(content.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn used_memory_is_remembered_when_arenas_are_merged() {
    let memory = memory(1 << 18);
    let (lower, upper) = memory.split_at(memory.base().unwrap() + (1 << 17));
    let mut heap = Talloc::<Compact>::with_config();
    // SAFETY: The memory is leaked and zero, and nothing else uses it; the blocks are freed once.
    unsafe {
        heap.arenas_mut().claim_as(lower, KNOWN).unwrap();
        heap.arenas_mut().claim_as(upper, KNOWN).unwrap();
        let blocks = [0; 2].map(|_| heap.malloc(layout(100_000, 8)).unwrap());
        blocks.into_iter().for_each(|block| heap.free(block, layout(100_000, 8)));
        heap.arena(lower).and_then(|mut arena| arena.merge(upper)).unwrap();
    }
    let (bytes, _) = discard(&mut heap, MIN_PIECE);
    assert!(bytes > 190_000, "{bytes}");
}

#[test]
fn caches_keep_their_blocks_when_less_is_in_use() {
    struct Reclaims;

    impl<C: Config> Source<C> for Reclaims {
        const RECLAIMS: bool = true;

        fn acquire(_: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
            Err(AllocError)
        }
    }

    let mut heap = Talloc::<Compact, _>::with_source(Reclaims);
    let (small, large) = (layout(64, 8), layout(12 << 20, 8));
    // SAFETY: The memory is leaked, and nothing else uses it; the blocks are freed once.
    unsafe {
        heap.claim(memory(16 << 20)).unwrap();
        let filler = heap.malloc(large).unwrap();
        let blocks: Vec<_> = (0..4000).map(|_| heap.malloc(small).unwrap()).collect();
        heap.claim(memory(1 << 20)).unwrap();
        blocks.into_iter().for_each(|block| heap.free(block, small));
        let cached = heap.verify().unwrap().cached_bytes;
        assert!(cached > 10_000, "{cached}");
        assert_eq!(
            heap.inspect().cacheable(),
            heap.inspect().used_bytes() + heap.inspect().cached_bytes()
        );
        heap.free(filler, large);
        assert_eq!(heap.inspect().cacheable(), 1 << 20);
        heap.claim(memory(1 << 20)).unwrap();
        assert_eq!(heap.verify().unwrap().cached_bytes, cached);
        heap.trim();
        assert_eq!(heap.verify().unwrap().cached_bytes, 0);
    }
}

#[test]
fn free_chunks_between_blocks_are_discarded() {
    let mut heap = used_heap::<RealTime>(1 << 20, 8, KNOWN);
    let layout = layout(10_000, 8);
    // SAFETY: Blocks are freed once, with their layouts.
    unsafe {
        let blocks: Vec<_> = (0..50).map(|_| heap.malloc(layout).unwrap()).collect();
        blocks.iter().step_by(2).for_each(|block| heap.free(*block, layout));
    }
    let (bytes, left) = discard(&mut heap, MIN_PIECE);
    assert!((25 * 8 * 1024..25 * 10_000).contains(&bytes), "{bytes}");
    assert_eq!(bytes + left, 50 * 10_000);
    assert_eq!(discard(&mut heap, 16 << 10).0, 0, "no piece is that large");
}

#[test]
fn only_reclaimable_memory_is_taken_back() {
    let mut heap = used_heap::<Compact>(1 << 20, 500_000, Memory::ZEROED);
    assert_eq!(discard(&mut heap, MIN_PIECE), (0, 0));
    assert_eq!(heap.arenas_mut().reclaim_arena(Span::empty()), None);

    // An arena is reclaimable only if all of its memory is.
    for known in [KNOWN, Memory::empty()] {
        let mut heap = used_heap::<Compact>(1 << 20, 8, KNOWN);
        let arena = heap.get_arena();
        // SAFETY: The blocks are freed once. The truncated memory stays valid.
        unsafe {
            let block = heap.malloc(layout(8, 8)).unwrap();
            heap.truncate(arena.truncate(0, 1 << 19));
            heap.arena(arena.truncate(0, 1 << 19))
                .and_then(|mut lower| lower.extend(arena, known))
                .unwrap();
            assert_eq!(heap.arenas_mut().reclaim_arena(Span::empty()), None, "the arena is in use");
            heap.free(block, layout(8, 8));
            heap.flush();
        }
        assert_eq!(heap.arenas_mut().reclaim_arena(arena), None, "the arena is the one to keep");
        let reclaimed = (known == KNOWN).then_some(arena);
        assert_eq!(heap.arenas_mut().reclaim_arena(Span::empty()), reclaimed);
    }
}

#[test]
fn arenas_are_merged_to_one_that_is_reclaimable_if_both_are() {
    for known in [KNOWN, Memory::ZEROED] {
        let memory = memory(1 << 18);
        let (lower, upper) = memory.split_at(memory.base().unwrap() + (1 << 17));
        let mut heap = Talloc::new();
        // SAFETY: The memory is leaked and zero, and nothing else uses it.
        unsafe {
            heap.arenas_mut().claim_as(lower, KNOWN).unwrap();
            heap.arenas_mut().claim_as(upper, known).unwrap();
            heap.arena(lower).and_then(|mut arena| arena.merge(upper)).unwrap();
        }
        assert_eq!(
            heap.arenas_mut().reclaim_arena(Span::empty()),
            (known == KNOWN).then_some(memory)
        );
    }
}
