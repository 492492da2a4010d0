//! Spans that are tiny, misaligned, empty or at the end of the address space. The heap writes nothing outside of them,
//! and uses as much as it can.

use talloc_core::{Config, Span, Talloc};
use talloc_fuzz::{Limits, Pool};

use crate::regressions::{each_config, layout, malloc, report};

/// The offsets of spans from an aligned address.
const OFFSETS: std::ops::RangeInclusive<usize> = 0..=64;

/// The sizes of spans.
const SIZES: std::ops::RangeInclusive<usize> = 0..=256;

/// The address of spans at offset zero, and the bytes by which they may be extended.
const BASE: usize = 192;

/// Creates a pool for these spans and their extensions.
fn pool() -> Pool {
    Pool::new(BASE + 64 + 256 + BASE)
}

/// Returns all spans of these sizes at these offsets.
fn spans(pool: &Pool) -> impl Iterator<Item = Span> {
    OFFSETS
        .flat_map(move |offset| SIZES.map(move |size| pool.at(BASE + offset, BASE + offset + size)))
}

/// Fills the heap with blocks of one byte, and empties it again.
///
/// The blocks must lie in the arena, and use all of the free memory.
fn exercise<C: Config>(heap: &mut Talloc<C>) {
    let arena = heap.get_arena();
    let before = report(heap);
    assert_eq!((before.arena_bytes, before.used_bytes), (arena.size(), 0));
    let block_bytes = Limits::of::<C>().rounded(1);
    let mut blocks = Vec::new();
    while let Ok(block) = malloc(heap, layout(1, 1)) {
        let span = Span::from_ptr_size(block.as_ptr(), block_bytes);
        assert!(heap.get_allocatable_span().contains_span(span), "{span} in {arena}");
        // SAFETY: The access is within the block.
        unsafe { block.write_bytes(!0, block_bytes) };
        blocks.push(block);
    }
    let full = report(heap);
    assert_eq!(full.used_bytes, blocks.len() * block_bytes);
    assert!(full.largest_free_bytes < block_bytes, "{full:?}");
    for block in blocks {
        // SAFETY: The block has this layout, and is freed once.
        unsafe { heap.free(block, layout(1, 1)) };
    }
    heap.flush();
    let after = report(heap);
    assert!(after.free_chunks <= 1 && after.free_bytes >= before.free_bytes, "{after:?}");
}

/// Checks that nothing was written outside of `arena`, and restores the memory for the next test.
fn check_outside(pool: &Pool, arena: Span) {
    let (below, above) = pool.whole().except(arena);
    for part in [below, above] {
        assert_eq!(pool.check(part), Ok(()), "the arena is {arena}");
    }
    pool.restore(arena);
}

each_config! {
    fn init_stays_within<C: Config>() {
        let pool = pool();
        for arena in spans(&pool) {
            let mut heap = Talloc::<C>::with_config();
            // SAFETY: Nothing else uses the memory of the pool.
            unsafe { heap.init(arena) };
            assert_eq!(heap.get_arena(), arena);
            exercise(&mut heap);
            check_outside(&pool, arena);
        }
    }

    fn extend_stays_within<C: Config>() {
        let pool = pool();
        for (number, old) in spans(&pool).enumerate() {
            let (low, high) = ([0, 1, 3, 8, 17, 130][number % 6], [0, 1, 5, 8, 40, 150][number % 5]);
            let new = old.extend(low, high);
            let mut heap = Talloc::<C>::with_config();
            // SAFETY: Nothing else uses the memory of the pool.
            unsafe {
                heap.init(old);
                let kept = malloc(&mut heap, layout(5, 1));
                heap.extend(new);
                if let Ok(kept) = kept {
                    heap.free(kept, layout(5, 1));
                }
            }
            assert_eq!(heap.get_arena(), new);
            exercise(&mut heap);
            check_outside(&pool, new);
        }
    }

    fn truncate_stays_within<C: Config>() {
        let pool = pool();
        for new in spans(&pool) {
            let mut heap = Talloc::<C>::with_config();
            // SAFETY: Nothing else uses the memory of the pool.
            unsafe { heap.init(pool.span()) };
            exercise(&mut heap);
            heap.truncate(new);
            // The heap has given this memory back.
            let (below, above) = pool.whole().except(new);
            pool.restore(below);
            pool.restore(above);
            assert_eq!(heap.get_arena(), new);
            exercise(&mut heap);
            check_outside(&pool, new);
        }
    }

    fn truncate_keeps_blocks<C: Config>() {
        let pool = pool();
        let block_bytes = Limits::of::<C>().rounded(33);
        for new in spans(&pool) {
            let mut heap = Talloc::<C>::with_config();
            // SAFETY: Nothing else uses the memory of the pool.
            unsafe { heap.init(pool.span()) };
            let below = malloc(&mut heap, layout(160, 8)).expect("there is room");
            let kept = malloc(&mut heap, layout(33, 8)).expect("there is room");
            // SAFETY: All accesses are within the blocks, and one block is freed with its layout.
            unsafe {
                kept.write_bytes(0x5a, 33);
                heap.free(below, layout(160, 8));
            }
            let least = heap.get_allocated_span();
            let span = Span::from_ptr_size(kept.as_ptr(), block_bytes);
            assert!(least.contains_span(span));
            let truncated = heap.arenas_mut().try_truncate(new).is_ok();
            // A span that contains the allocated span must be accepted. One that lacks the block must not.
            assert!(truncated || !new.contains_span(least), "{new} of {least}");
            assert!(!truncated || new.contains_span(span), "{new} lacks {span}");
            let arena = heap.get_arena();
            assert_eq!(arena, if truncated { new } else { pool.span() });
            let (below, above) = pool.whole().except(arena);
            pool.restore(below);
            pool.restore(above);
            assert_eq!(report(&heap).used_bytes, block_bytes);
            // SAFETY: The block is allocated with this layout, and the accesses are within it.
            unsafe {
                assert!((0..33).all(|at| kept.add(at).read() == 0x5a));
                heap.free(kept, layout(33, 8));
            }
            exercise(&mut heap);
            check_outside(&pool, arena);
        }
    }

    fn claim_stays_within<C: Config>() {
        let pool = pool();
        let first = Pool::new(512);
        for arena in spans(&pool) {
            let mut heap = Talloc::<C>::with_config();
            // SAFETY: Nothing else uses the memory of the pools.
            let claimed = unsafe {
                heap.init(first.span());
                heap.claim(arena)
            };
            let expected = first.span().size() + if claimed.is_ok() { arena.size() } else { 0 };
            assert_eq!(report(&heap).arena_bytes, expected);
            while malloc(&mut heap, layout(1, 1)).is_ok() {}
            report(&heap);
            check_outside(&pool, if claimed.is_ok() { arena } else { Span::empty() });
            check_outside(&first, first.span());
        }
    }

    fn the_end_of_the_address_space<C: Config>() {
        // In the last sixteen bytes, no arena has room.
        for (low, high) in (0..16).flat_map(|low| (0..=low).map(move |high| (low, high))) {
            let arena = Span::new(usize::MAX - low, usize::MAX - high);
            let mut heap = Talloc::<C>::with_config();
            // SAFETY: The heap does not access the memory, because the span has no whole granule to use.
            let result = unsafe { heap.arenas_mut().try_init(arena) };
            assert!(result.is_ok());
            assert_eq!(heap.get_arena(), arena);
            assert!(heap.get_allocatable_span().is_empty());
            assert!(malloc(&mut heap, layout(1, 1)).is_err());
            assert_eq!(report(&heap).overhead_bytes, arena.size());
            heap.truncate(arena.truncate(1, 0));
            assert!(malloc(&mut heap, layout(1, 1)).is_err());
        }
    }
}
