//! A source that takes memory back: what it is told, and what becomes of the memory.

mod random;

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::common::{layout, memory, part};
use talloc_core::{
    Align, AllocError, Compact, Config, Memory, OwnedTalloc, RealTime, Source, Span, Talloc,
};

const UNIT: Align = Align::new(1024).unwrap();
const MIN_PIECE: usize = 4096;

/// What is known of memory that may be taken back.
const KNOWN: Memory = Memory::ZEROED.union(Memory::RECLAIMABLE);

/// A heap with an arena of `known` memory in which a block of `size` bytes has been.
fn used_heap<C: Config>(bytes: usize, size: usize, known: Memory) -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    // SAFETY: The memory is leaked, zero, and nobody else's; the block is freed once.
    unsafe {
        heap.arenas_mut().claim_as(memory(bytes), known).unwrap();
        let block = heap.malloc(layout(size, 8)).unwrap();
        block.write_bytes(1, size);
        heap.free(block, layout(size, 8));
    }
    heap
}

/// Discards what can be, and leaves it zero. Returns how many bytes, and how many are left.
fn discard<C: Config>(heap: &mut Talloc<C>, least: usize) -> (usize, usize) {
    let mut bytes = 0;
    // SAFETY: It can be used as before, and is zero.
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
fn the_top_is_as_good_as_new() {
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
    assert_eq!(discard(&mut heap, MIN_PIECE).0, 0, "it has not been used since");
    assert_eq!(heap.verify().unwrap().high_water_bytes, high_water);
    assert!(dirty(&mut heap) <= 2048);
    assert!(discard(&mut heap, MIN_PIECE).0 > 390_000);
}

#[test]
fn an_arena_that_is_raised_can_be_discarded_if_all_of_it_can() {
    for (added, may_be) in [(KNOWN, true), (Memory::ZEROED, false)] {
        let mut heap = Talloc::<Compact>::with_config();
        // SAFETY: The memory is leaked, zero, and nobody else's.
        unsafe {
            heap.arenas_mut().claim_as(part(memory(1 << 20), 0, 1 << 18), KNOWN).unwrap();
            for _ in 0..3 {
                let arena = heap.get_arena();
                heap.arena(arena).and_then(|mut arena| arena.raise(1 << 18, added)).unwrap();
                heap.verify().unwrap();
            }
        }
        // Up to where the last bitmap was, there were others.
        let bytes = discard(&mut heap, MIN_PIECE).0;
        assert_eq!(bytes > 1 << 19, may_be, "{bytes}");
    }
}

#[test]
fn what_was_used_is_not_forgotten_when_the_bitmap_moves() {
    let mut heap = Talloc::<Compact>::with_config();
    let memory = memory(1 << 20);
    // SAFETY: The memory is leaked, zero, and nobody else's; the blocks are freed once.
    unsafe {
        heap.arenas_mut().claim_as(part(memory, 0, 10_000), KNOWN).unwrap();
        let low = heap.malloc(layout(2000, 8)).unwrap();
        // The bitmap no longer suffices, and goes to the end of the memory or behind the block.
        let arena = heap.get_arena();
        heap.arena(arena).and_then(|mut arena| arena.extend(memory, KNOWN)).unwrap();
        let high = heap.malloc(layout(500_000, 8)).unwrap();
        heap.free(low, layout(2000, 8));
        heap.free(high, layout(500_000, 8));
    }
    // Now it goes back to the start, and all bits are as in a new arena.
    heap.flush();
    let (bytes, _) = discard(&mut heap, MIN_PIECE);
    assert!(bytes > 490_000, "{bytes}");
    assert_eq!(discard(&mut heap, MIN_PIECE).0, 0, "it has not been used since");
    // SAFETY: The size is not zero.
    let (_, dirty) = unsafe { heap.backend().malloc_dirty(layout(400_000, 8)) }.unwrap();
    assert!(dirty <= 2048, "{dirty}");
}

#[test]
fn what_was_never_zero_does_not_become_so() {
    let memory = memory(1 << 20);
    let mut heap = Talloc::<Compact>::with_config();
    // SAFETY: The memory is leaked and nobody else's; the blocks are freed once.
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
fn what_was_used_of_two_arenas_is_not_forgotten_when_they_are_merged() {
    let memory = memory(1 << 18);
    let (lower, upper) = memory.split_at(memory.base().unwrap() + (1 << 17));
    let mut heap = Talloc::<Compact>::with_config();
    // SAFETY: The memory is leaked, zero, and nobody else's; the blocks are freed once.
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
fn caches_may_hold_what_they_do_when_less_is_in_use() {
    struct Reclaims;

    impl<C: Config> Source<C> for Reclaims {
        const RECLAIMS: bool = true;

        fn acquire(_: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
            Err(AllocError)
        }
    }

    let mut heap = Talloc::<Compact, _>::with_source(Reclaims);
    let (small, large) = (layout(64, 8), layout(12 << 20, 8));
    // SAFETY: The memory is leaked and nobody else's; the blocks are freed once.
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
fn what_lies_between_blocks_is_discarded() {
    let mut heap = used_heap::<RealTime>(1 << 20, 8, KNOWN);
    let layout = layout(10_000, 8);
    // SAFETY: The size is not zero, and blocks are freed once.
    unsafe {
        let blocks: Vec<_> = (0..50).map(|_| heap.malloc(layout).unwrap()).collect();
        blocks.iter().step_by(2).for_each(|block| heap.free(*block, layout));
    }
    let (bytes, left) = discard(&mut heap, MIN_PIECE);
    assert!((25 * 8 * 1024..25 * 10_000).contains(&bytes), "{bytes}");
    assert_eq!(bytes + left, 50 * 10_000);
    assert_eq!(discard(&mut heap, 16 << 10).0, 0, "none is as large");
}

#[test]
fn only_what_is_reclaimable_is_taken_back() {
    let mut heap = used_heap::<Compact>(1 << 20, 500_000, Memory::ZEROED);
    assert_eq!(discard(&mut heap, MIN_PIECE), (0, 0));
    assert_eq!(heap.arenas_mut().reclaim_arena(Span::empty()), None);

    // All of it must be, wherever it came from.
    for known in [KNOWN, Memory::empty()] {
        let mut heap = used_heap::<Compact>(1 << 20, 8, KNOWN);
        let arena = heap.get_arena();
        // SAFETY: The blocks are freed once; what is truncated is still there.
        unsafe {
            let block = heap.malloc(layout(8, 8)).unwrap();
            heap.truncate(arena.truncate(0, 1 << 19));
            heap.arena(arena.truncate(0, 1 << 19))
                .and_then(|mut lower| lower.extend(arena, known))
                .unwrap();
            assert_eq!(heap.arenas_mut().reclaim_arena(Span::empty()), None, "it is in use");
            heap.free(block, layout(8, 8));
            heap.flush();
        }
        assert_eq!(heap.arenas_mut().reclaim_arena(arena), None, "it is the one to be kept");
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
        // SAFETY: The memory is leaked, zero, and nobody else's.
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
