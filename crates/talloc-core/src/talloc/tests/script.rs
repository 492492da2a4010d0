//! Scripts that state the layout of the heap in granules after each step.

use super::{Block, Owned, layout};
use crate::config::{Compact, Config, Micro, RealTime, Searching, Uncached};
use crate::error::ArenaError;

#[test]
fn blocks_are_carved_from_the_top_and_coalesce() {
    let mut heap = Owned::<RealTime>::new(100);
    heap.expect("own 2, top 98");
    let a = heap.take(5);
    heap.expect("own 2, used 5, top 93");
    let b = heap.take(2);
    let c = heap.take(10);
    let d = heap.take(1);
    heap.expect("own 2, used 19, top 79");
    // Below a used chunk.
    heap.give(b);
    heap.expect("own 2, used 5, free 2, used 12, top 79");
    // Above a free chunk, and below a used one.
    heap.give(c);
    heap.expect("own 2, used 5, free 12, used 2, top 79");
    // Below a free chunk.
    heap.give(a);
    heap.expect("own 2, free 17, used 2, top 79");
    // Between a free chunk and the top.
    heap.give(d);
    heap.expect("own 2, top 98");
}

#[test]
fn a_block_between_free_ones_merges_both() {
    let mut heap = Owned::<RealTime>::new(100);
    let [a, b, c, d] = [4, 3, 5, 6].map(|len| heap.take(len));
    heap.give(a);
    heap.give(c);
    heap.expect("own 2, free 4, used 3, free 5, used 6, top 80");
    heap.give(b);
    heap.expect("own 2, free 12, used 6, top 80");
    heap.give(d);
    heap.expect("own 2, top 98");
}

#[test]
fn the_best_bin_is_used_and_split() {
    let mut heap = Owned::<RealTime>::new(200);
    let [a, _b, c, _d] = [20, 2, 10, 2].map(|len| heap.take(len));
    heap.give(a);
    heap.give(c);
    heap.expect("own 4, free 20, used 2, free 10, used 2, top 162");
    let e = heap.take(9);
    heap.expect("own 4, free 20, used 11, free 1, used 2, top 162");
    let _f = heap.take(15);
    heap.expect("own 4, used 15, free 5, used 11, free 1, used 2, top 162");
    // A chunk of one granule has no links, but is coalesced.
    heap.give(e);
    heap.expect("own 4, used 15, free 5, used 2, free 10, used 2, top 162");
}

#[test]
fn small_blocks_of_16_bit_links_take_one_granule() {
    let mut heap = Owned::<Micro>::new(60);
    let [a, _b, c, _d] = [1; 4].map(|len| heap.take(len));
    heap.expect("own 1, used 4, top 55");
    heap.give(a);
    heap.give(c);
    heap.expect("own 1, free 1, used 1, free 1, used 1, top 55");
    let [c, a] = [1; 2].map(|len| heap.take(len));
    assert!(c.ptr > a.ptr);
    heap.expect("own 1, used 4, top 55");
}

#[test]
fn blocks_grow_and_shrink_where_they_are() {
    let mut heap = Owned::<RealTime>::new(100);
    let [a, b, c] = [4, 6, 4].map(|len| heap.take(len));
    // SAFETY: The blocks have these layouts.
    unsafe {
        assert!(heap.grow_in_place(a.ptr, a.layout, 40).is_err());
        heap.give(b);
        heap.expect("own 2, used 4, free 6, used 4, top 84");
        heap.grow_in_place(a.ptr, a.layout, 6 * 8).unwrap();
        heap.expect("own 2, used 6, free 4, used 4, top 84");
        assert!(heap.grow_in_place(a.ptr, layout(6), 11 * 8).is_err());
        heap.grow_in_place(a.ptr, layout(6), 10 * 8).unwrap();
        heap.expect("own 2, used 14, top 84");
        heap.shrink(a.ptr, layout(10), 9 * 8 - 7);
        heap.expect("own 2, used 9, free 1, used 4, top 84");
        heap.shrink(a.ptr, layout(9), 1);
        heap.expect("own 2, used 2, free 8, used 4, top 84");
        heap.grow_in_place(c.ptr, c.layout, 88 * 8).unwrap();
        heap.expect("own 2, used 2, free 8, used 88, top 0");
        assert!(heap.grow_in_place(c.ptr, layout(88), 89 * 8).is_err());
        heap.shrink(c.ptr, layout(88), 4 * 8);
        heap.expect("own 2, used 2, free 8, used 4, top 84");
    }
}

#[test]
fn a_block_that_cannot_grow_moves() {
    let mut heap = Owned::<RealTime>::new(100);
    let [a, _b] = [4, 6].map(|len| heap.take(len));
    // SAFETY: The block has 32 bytes, and then 64.
    unsafe {
        a.ptr.write_bytes(7, 32);
        let moved = heap.grow(a.ptr, a.layout, 64).unwrap();
        heap.expect("own 2, free 4, used 14, top 80");
        assert!((0..32).all(|byte| moved.add(byte).read() == 7));
        assert!(heap.grow(moved, layout(8), 1000).is_err());
        heap.expect("own 2, free 4, used 14, top 80");
    }
}

#[test]
fn aligned_blocks_leave_what_is_before_them_free() {
    let mut heap = Owned::<RealTime>::new(1000);
    let align = 512;
    let layout = core::alloc::Layout::from_size_align(64, align).unwrap();
    // SAFETY: `malloc` has no preconditions.
    let ptr = unsafe { heap.malloc(layout) }.unwrap();
    assert_eq!(ptr.addr().get() % align, 0);
    let block = Block { ptr, layout };
    // The offset of the block in the arena depends on the address of the memory.
    let lead = (ptr.addr().get() - heap.get_arena().base().unwrap()) / 8 - 16;
    let rest = 984 - lead - 8;
    match lead {
        0 => heap.expect("own 16, used 8, top 976"),
        _ => heap.expect(&std::format!("own 16, free {lead}, used 8, top {rest}")),
    }
    heap.give(block);
    heap.expect("own 16, top 984");
}

#[test]
fn an_aligned_request_takes_the_smallest_chunk_that_happens_to_suit() {
    let mut heap = Owned::<Uncached>::new(1000);
    let layout = core::alloc::Layout::from_size_align(64, 64).unwrap();
    // SAFETY: The block is freed once, with its layout.
    unsafe {
        let suits = heap.malloc(layout).unwrap();
        let [_, larger, _] = [2, 30, 2].map(|len| heap.take(len));
        let at = larger.ptr;
        heap.free(suits, layout);
        heap.give(larger);
        assert_eq!(heap.malloc(layout).unwrap(), suits);
        // No chunk of the smaller size suits, but the larger one is always sufficient.
        let next = heap.malloc(layout).unwrap();
        assert!(next >= at && next < at.add(30 * 8));
    }
}

#[test]
fn quick_lists_keep_blocks_until_they_are_flushed() {
    let mut heap = Owned::<Compact>::new(500);
    let [a, b, _c] = [4, 4, 4].map(|len| heap.take(len));
    let (at, below) = (b.ptr, a.ptr);
    heap.give(a);
    heap.give(b);
    heap.expect("own 8, used 12, top 480");
    assert_eq!(heap.verify().unwrap().cached_bytes, 64);
    assert_eq!(heap.take(4).ptr, at);
    assert_eq!(heap.take(4).ptr, below);
    let b = Block { ptr: at, layout: layout(4) };
    heap.give(b);
    heap.flush();
    heap.expect("own 8, used 4, free 4, used 4, top 480");
}

#[test]
fn blocks_of_a_size_are_carved_ahead_from_the_top() {
    let mut heap = Owned::<Compact>::new(8000);
    let blocks: [Block; 3] = core::array::from_fn(|_| heap.take(12));
    assert_eq!(heap.verify().unwrap().cached_bytes, 8 * 12);
    heap.expect("own 126, used 48, top 7826");
    assert!(blocks.is_sorted_by_key(|block| block.ptr));
    // In a small arena, this would take too large a share.
    let mut heap = Owned::<Compact>::new(6000);
    heap.take(12);
    heap.expect("own 94, used 12, top 5894");
}

#[test]
fn quick_lists_are_bounded_by_a_sixteenth_and_by_less_when_memory_is_short() {
    for (rest, share) in [(1, 16), (20_000, 128)] {
        let mut heap = Owned::<Compact>::new(40_000);
        let _rest = heap.take(rest);
        let mut most = 0;
        let mut blocks: std::vec::Vec<_> = (0..1000).map(|_| heap.take(8)).collect();
        while let Some(block) = blocks.pop() {
            heap.give(block);
            most = most.max(heap.verify().unwrap().cached_bytes);
            // Other requests to the arena prevent a lull.
            if blocks.len() % 64 == 0 {
                let other = heap.take(200);
                heap.give(other);
            }
        }
        let bound = heap.get_allocatable_span().size() / share;
        assert!((bound - 200..=bound).contains(&most), "{most}");
        heap.flush();
        assert_eq!(heap.verify().unwrap().cached_bytes, 0);
    }
}

#[test]
fn quick_lists_hold_less_once_memory_becomes_short() {
    let mut heap = Owned::<Compact>::new(40_000);
    let blocks: [Block; 300] = core::array::from_fn(|_| heap.take(8));
    let last: [Block; 100] = core::array::from_fn(|_| heap.take(8));
    blocks.into_iter().for_each(|block| heap.give(block));
    assert!(heap.verify().unwrap().cached_bytes > 18_000);
    let _rest = heap.take(25_000);
    last.into_iter().for_each(|block| heap.give(block));
    let cached = heap.verify().unwrap().cached_bytes;
    assert!(cached <= heap.get_allocatable_span().size() / 128, "{cached}");
}

#[test]
fn what_is_cached_serves_other_sizes_before_a_request_fails() {
    let mut heap = Owned::<Compact>::new(8000);
    let rest = heap.take(7874 - 60);
    let blocks: [Block; 15] = core::array::from_fn(|_| heap.take(4));
    heap.expect("own 126, used 7874, top 0");
    for block in blocks {
        heap.give(block);
    }
    assert!(heap.verify().unwrap().cached_bytes > 400);
    let _all = heap.take(60);
    heap.expect("own 126, used 7874, top 0");
    heap.give(rest);
}

#[test]
fn an_arena_grows_and_shrinks_at_both_ends() {
    let mut heap = Owned::<RealTime>::new(100);
    let arena = heap.get_arena();
    let a = heap.take(10);
    // SAFETY: The heap owns the memory on both sides.
    unsafe {
        heap.extend(arena.extend(0, 8 * 20));
        heap.expect("own 2, used 10, top 108");
        heap.extend(arena.extend(8 * 20, 8 * 20));
        heap.expect("own 3, free 19, used 10, top 108");
        heap.truncate(arena.extend(8 * 20, 0));
        heap.expect("own 3, free 19, used 10, top 88");
        heap.truncate(arena);
        heap.expect("own 2, used 10, top 88");
        heap.give(a);
        heap.expect("own 2, top 98");
    }
}

#[test]
fn a_bitmap_without_a_place_leaves_memory_for_later() {
    let mut heap = Owned::<RealTime>::new(63);
    let arena = heap.get_arena();
    let a = heap.take(62);
    heap.expect("own 1, used 62, top 0");
    // SAFETY: The heap owns the memory on both sides.
    unsafe {
        // One more granule needs another word of the bitmap, and this would take that granule.
        heap.extend(arena.extend(0, 8));
        heap.expect("own 1, used 62, top 0");
        assert_eq!(heap.get_arena(), arena.extend(0, 8));
        heap.extend(arena.extend(0, 16));
        heap.expect("free 1, used 62, own 2, top 0");
    }
    heap.give(a);
    heap.flush();
    heap.expect("own 2, top 63");
}

#[test]
fn the_least_span_has_room_for_the_bitmap() {
    let mut heap = Owned::<RealTime>::new(500);
    assert!(heap.get_allocated_span().is_empty());
    let [a, b] = [20, 30].map(|len| heap.take(len));
    heap.give(a);
    heap.expect("own 8, free 20, used 30, top 442");
    let least = heap.get_allocated_span();
    assert!(least.size() <= 8 * 31 && least.contains_ptr(b.ptr.as_ptr()));
    heap.truncate(least);
    heap.expect("own 1, used 30, top 0");
    assert_eq!(heap.arenas_mut().try_truncate(least.truncate(8, 0)), Err(ArenaError::InUse));
    heap.expect("own 1, used 30, top 0");
}

/// The number of holes of one size, more than are examined. Miri is slow, so it uses fewer.
const HOLES: usize = if cfg!(miri) { 300 } else { 50_000 };

/// Creates a full heap with [`HOLES`] holes of 64 granules and one of 67, all in one bin.
fn with_holes<C: Config>() -> Owned<C> {
    let mut heap = Owned::<C>::new(HOLES * 66 + 53_000);
    // The heap is large, so it is verified only at the end.
    let mut take = |len| {
        // SAFETY: `malloc` has no preconditions.
        let ptr = unsafe { heap.malloc(layout(len)) }.unwrap();
        Block { ptr, layout: layout(len) }
    };
    let mut holes = std::vec![take(67)];
    take(2);
    for _ in 0..HOLES {
        holes.push(take(64));
        take(2);
    }
    for hole in holes {
        // SAFETY: The heap allocated the block with this layout, and it is freed once.
        unsafe { heap.free(hole.ptr, hole.layout) };
    }
    let top = heap.verify().unwrap().top_bytes / 8;
    heap.take(top);
    assert_eq!(heap.verify().unwrap().free_chunks, HOLES + 1);
    heap
}

fn near_fits_take_a_bounded_number_of_steps<C: Config>() {
    let mut heap = with_holes::<C>();
    assert_eq!(heap.arenas.first.count_candidates(66), C::LAST_RESORT);
    let aligned = core::alloc::Layout::from_size_align(64 * 8, 1 << 26).unwrap();
    for layout in [layout(66), aligned] {
        // SAFETY: `malloc` has no preconditions.
        assert!(unsafe { heap.malloc(layout) }.is_err());
    }
    // A request that any chunk of the next bin can serve is served without a search.
    heap.take(64);
}

#[test]
fn near_fits_are_searched_as_far_as_the_configuration_says() {
    near_fits_take_a_bounded_number_of_steps::<Uncached>();
}

#[test]
fn near_fits_are_not_searched_in_real_time() {
    near_fits_take_a_bounded_number_of_steps::<RealTime>();
}

#[test]
fn a_thorough_heap_finds_what_there_is() {
    let mut heap = with_holes::<Searching<Uncached, { usize::MAX }>>();
    assert_eq!(heap.arenas.first.count_candidates(66), HOLES + 1);
    heap.take(66);
    // SAFETY: `malloc` has no preconditions.
    assert!(unsafe { heap.malloc(layout(66)) }.is_err());
}
