// Checks that apply to every version of `Allocator`. The version is called `api`.

use core::alloc::Layout;
use core::ptr::NonNull;

use api::alloc::Allocator;
use talloc_sync::Report;

use crate::{ARENA, CANARY};

on_each_heap!(
    blocks_are_aligned_and_apart,
    zeroed_blocks_are_zero,
    growing_zeroed_clears_what_it_adds,
    alignments_go_up_and_down,
    a_move_copies_the_old_length,
    shrinking_releases_memory,
    size_zero_needs_no_memory,
    impossible_requests_fail,
    collections_grow_and_shrink,
);

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn bytes<'a>(block: NonNull<u8>, size: usize) -> &'a [u8] {
    // SAFETY: The tests pass initialised bytes of their own blocks, and do not write to the block as long as they use
    // the slice.
    unsafe { core::slice::from_raw_parts(block.as_ptr(), size) }
}

fn fill(block: NonNull<u8>, byte: u8, size: usize) {
    // SAFETY: The tests pass their own blocks.
    unsafe { block.write_bytes(byte, size) };
}

/// Allocates a block whose bytes are all `byte`.
fn filled(heap: impl Allocator, layout: Layout, byte: u8) -> NonNull<u8> {
    let block = heap.allocate(layout).unwrap();
    assert!(block.len() >= layout.size());
    assert!(block.cast::<u8>().as_ptr().addr() % layout.align() == 0);
    fill(block.cast(), byte, layout.size());
    block.cast()
}

fn free(heap: impl Allocator, block: NonNull<u8>, layout: Layout) {
    // SAFETY: The tests free each block once, with its layout.
    unsafe { heap.deallocate(block, layout) };
}

fn grow(heap: impl Allocator, block: NonNull<u8>, old: Layout, new: Layout) -> NonNull<u8> {
    // SAFETY: The tests pass the layout of the block, and a larger one.
    let grown = unsafe { heap.grow(block, old, new) }.unwrap();
    assert!(grown.len() >= new.size());
    grown.cast()
}

fn grow_zeroed(heap: impl Allocator, block: NonNull<u8>, old: Layout, new: Layout) -> NonNull<u8> {
    // SAFETY: The tests pass the layout of the block, and a larger one.
    let grown = unsafe { heap.grow_zeroed(block, old, new) }.unwrap();
    assert!(grown.len() >= new.size());
    grown.cast()
}

fn shrink(heap: impl Allocator, block: NonNull<u8>, old: Layout, new: Layout) -> NonNull<u8> {
    // SAFETY: The tests pass the layout of the block, and a smaller one.
    let shrunk = unsafe { heap.shrink(block, old, new) }.unwrap();
    assert!(shrunk.len() >= new.size());
    shrunk.cast()
}

/// Allocates blocks whose bytes are all 1 until the address of one is, if possible, not a multiple of `align`. Returns
/// this block, and the others.
fn misaligned(
    heap: impl Allocator + Copy,
    layout: Layout,
    align: usize,
) -> (NonNull<u8>, Vec<NonNull<u8>>) {
    let mut others = Vec::new();
    loop {
        let block = filled(heap, layout, 1);
        if block.addr().get() % align != 0 || align <= layout.align().max(8) {
            return (block, others);
        }
        others.push(block);
    }
}

/// Fills the heap with blocks of 64 bytes, all of them `byte`. Returns them sorted by address.
fn take_all(heap: impl Allocator + Copy, byte: u8) -> Vec<NonNull<u8>> {
    let layout = layout(64, 8);
    let blocks = core::iter::from_fn(|| heap.allocate(layout).ok());
    let mut blocks: Vec<_> = blocks.map(|block| block.cast()).collect();
    blocks.iter().for_each(|&block| fill(block, byte, 64));
    blocks.sort();
    blocks
}

/// Sets nearly every free byte of the heap to `byte`.
fn dirty(heap: impl Allocator + Copy, byte: u8) {
    for block in take_all(heap, byte) {
        free(heap, block, layout(64, 8));
    }
}

fn blocks_are_aligned_and_apart(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    let layouts = (0..=10).flat_map(|log2| [1, 40, 500].map(|size| layout(size, 1 << log2)));
    let blocks: Vec<_> =
        layouts.zip(0..).map(|(layout, tag)| (filled(heap, layout, tag), layout, tag)).collect();
    for (block, layout, tag) in blocks {
        assert!(bytes(block, layout.size()).iter().all(|&byte| byte == tag));
        free(heap, block, layout);
    }
    assert_eq!(report().used_bytes, 0);
}

fn zeroed_blocks_are_zero(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    dirty(heap, 0xFF);
    for layout in [1, 8, 40, 64, 512, 3000, 20_000].map(|size| layout(size, 16)) {
        let block = heap.allocate_zeroed(layout).unwrap().cast();
        assert!(bytes(block, layout.size()).iter().all(|&byte| byte == 0), "{layout:?}");
        fill(block, 0xFF, layout.size());
        free(heap, block, layout);
    }
    assert_eq!(report().used_bytes, 0);
}

fn growing_zeroed_clears_what_it_adds(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    dirty(heap, 0xFF);
    // Smaller blocks may be cached, and are moved rather than resized in place.
    let layouts = [600, 700, 3000].map(|size| layout(size, 8));
    let [small, medium, large] = layouts;
    let block = filled(heap, small, 7);

    let in_place = grow_zeroed(heap, block, small, medium);
    assert_eq!(in_place, block);
    let fence = filled(heap, small, 9);
    let moved = grow_zeroed(heap, in_place, medium, large);
    assert_ne!(moved, block);

    assert_eq!(bytes(moved, 600), [7; 600]);
    assert_eq!(bytes(moved, 3000)[600..], [0; 2400]);
    assert_eq!(bytes(fence, 600), [9; 600]);
    free(heap, moved, large);
    free(heap, fence, small);
    assert_eq!(report().used_bytes, 0);
}

fn alignments_go_up_and_down(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    let aligns = [1, 8, 16, 64, 512, 4096];
    // The chunks have odd numbers of granules, so neighbours have different alignments.
    for (from, to) in aligns.iter().flat_map(|&from| aligns.map(|to| (from, to))) {
        let (small, large) = (layout(50, from), layout(290, to));
        let (block, others) = misaligned(heap, small, to);
        let grown = grow(heap, block, small, large);
        assert!(grown.addr().get() % to == 0, "{from} to {to}");
        assert_eq!(bytes(grown, 50), [1; 50]);
        free(heap, grown, large);
        others.into_iter().for_each(|other| free(heap, other, small));

        let (large, small) = (layout(290, from), layout(50, to));
        let (block, others) = misaligned(heap, large, to);
        let shrunk = shrink(heap, block, large, small);
        assert!(shrunk.addr().get() % to == 0, "{from} to {to}");
        assert_eq!(bytes(shrunk, 50), [1; 50]);
        free(heap, shrunk, small);
        others.into_iter().for_each(|other| free(heap, other, large));
        assert_eq!(report().used_bytes, 0);
    }
}

fn a_move_copies_the_old_length(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    let mut blocks = take_all(heap, 0x11);
    let small = layout(64, 8);
    // The last block ends close to the end of the arena, and canaries follow.
    let (first, last) = (blocks[0], blocks.pop().unwrap());
    assert!(last.addr().get() % 4096 != 0, "the block must be misaligned to be moved");
    blocks.into_iter().for_each(|block| free(heap, block, small));
    fill(last, 7, 64);

    let large = layout(2000, 4096);
    let moved = grow(heap, last, small, large);
    assert_eq!(bytes(moved, 64), [7; 64]);
    // A byte of a link may look like a canary, but eight of them in a row may not.
    assert!(!bytes(moved, 2000).windows(8).any(|bytes| bytes == [CANARY; 8]));
    // The old contents are unchanged, because only words at the ends of blocks were written.
    let offset = |at: usize| (moved.addr().get() + at - first.addr().get()) % 64;
    let inner = (64..2000).filter(|&at| (16..48).contains(&offset(at)));
    assert!(inner.map(|at| bytes(moved, 2000)[at]).all(|byte| byte == 0x11));
    free(heap, moved, large);
    assert_eq!(report().used_bytes, 0);
}

fn shrinking_releases_memory(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    let large = layout(40_000, 8);
    let block = filled(heap, large, 1);
    assert_eq!(report().used_bytes, 40_000);
    for size in [20_000, 400, 16] {
        let small = layout(size, 8);
        assert_eq!(shrink(heap, block, large, small), block);
        assert_eq!(report().used_bytes, size);
        let other = filled(heap, layout(40_000 - size, 8), 2);
        free(heap, other, layout(40_000 - size, 8));
        assert_eq!(bytes(block, size), vec![1; size]);
        grow(heap, block, small, large);
        fill(block, 1, 40_000);
    }
    free(heap, block, large);
    assert_eq!(report().used_bytes, 0);
}

fn size_zero_needs_no_memory(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    let untouched = report();
    let aligned = |block: NonNull<u8>, align| block.addr().get() % align == 0;
    for align in (0..=20).map(|log2| 1 << log2) {
        let (none, other) = (layout(0, align), layout(0, (1 << 20) / align));
        let block = filled(heap, none, 0);
        assert!(aligned(block, align));
        let block = grow(heap, block, none, other);
        assert!(aligned(block, other.align()));
        let block = shrink(heap, block, other, none);
        assert!(aligned(block, align));
        assert!(aligned(heap.allocate_zeroed(none).unwrap().cast(), align));

        let some = layout(100, align.min(4096));
        let block = grow_zeroed(heap, block, none, some);
        assert_eq!(bytes(block, 100), [0; 100]);
        assert!(aligned(block, some.align()));
        assert_eq!(report().used_bytes, 104);
        let block = shrink(heap, block, some, none);
        assert!(aligned(block, align));
        free(heap, block, none);
        assert_eq!(report().used_bytes, 0);
    }
    assert_eq!(report().arenas, untouched.arenas);
}

fn impossible_requests_fail(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    let small = layout(40, 8);
    let block = filled(heap, small, 7);
    let most = isize::MAX as usize;
    let absurd = [
        layout(most, 1),
        layout(most - 7, 8),
        layout(most - (1 << 20) + 1, 1 << 20),
        layout(100, 1 << 30),
        layout(ARENA, 8),
        layout(1 << (usize::BITS - 2), 8),
        layout(3 << (usize::BITS - 4), 4096),
    ];
    for layout in absurd {
        assert!(heap.allocate(layout).is_err(), "{layout:?}");
        assert!(heap.allocate_zeroed(layout).is_err(), "{layout:?}");
        // SAFETY: The block has the layout `small`, and the new layout is larger.
        unsafe {
            assert!(heap.grow(block, small, layout).is_err(), "{layout:?}");
            assert!(heap.grow_zeroed(block, small, layout).is_err(), "{layout:?}");
        }
    }
    assert_eq!(bytes(block, 40), [7; 40]);
    let none = layout(0, 1 << 30);
    // SAFETY: The block has the layout `small`, and the new layout is smaller.
    let moved = unsafe { heap.shrink(block, small, none) };
    assert_eq!(moved.unwrap().len(), 0);
    assert_eq!(report().used_bytes, 0);
}

fn collections_grow_and_shrink(heap: impl Allocator + Copy, report: &dyn Fn() -> Report) {
    let mut numbers = api::vec::Vec::new_in(heap);
    let mut boxes = api::vec::Vec::new_in(heap);
    for number in 0..500_u64 {
        numbers.push(number);
        boxes.push(api::boxed::Box::new_in([number; 3], heap));
    }
    numbers.retain(|number| number % 10 == 0);
    numbers.shrink_to_fit();
    boxes.truncate(50);
    boxes.shrink_to_fit();
    // The sizes are multiples of 8, so nothing is rounded up.
    assert_eq!(report().used_bytes, 50 * 8 + 50 * (24 + size_of_val(&boxes[0])));

    assert!(numbers.iter().copied().eq((0..500).step_by(10)));
    assert!((0..50).zip(&boxes).all(|(number, block)| **block == [number; 3]));
    drop((numbers, boxes));
    assert_eq!(report().used_bytes, 0);
}
