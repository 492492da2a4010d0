//! The tags of blocks.
#![cfg(all(target_arch = "aarch64", target_os = "linux"))]

mod common;

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use common::arena::Arena;
use common::tags::*;
use talloc_guarded::Tagged;

#[test]
fn a_stale_pointer_seldom_has_the_tag_of_a_new_block() {
    with_arena("a_stale_pointer_seldom_has_the_tag_of_a_new_block", |allocator| {
        let old = alloc(allocator, 40);
        free(allocator, old, 40);
        let mut counts = [0; 16];
        for _ in 0..3000 {
            // SAFETY: No block is live.
            unsafe { allocator.inner().set_used(16) };
            let block = alloc(allocator, 40);
            counts[usize::from(tag_of(block))] += 1;
            free(allocator, block, 40);
        }
        assert_eq!(counts[0], 0);
        // The mean is 200, and the bounds are seven standard deviations.
        assert!(counts[1..].iter().all(|count| (100..300).contains(count)), "{counts:?}");
    });
}

#[test]
fn blocks_on_both_sides_of_a_page_edge_have_different_tags() {
    with_arena("blocks_on_both_sides_of_a_page_edge_have_different_tags", |allocator| {
        for size in [16, 48, 4096, 8192] {
            for _ in 0..300 {
                // SAFETY: No block is live.
                unsafe { allocator.inner().set_used(4 * PAGE - size % PAGE) };
                let (low, high) = (alloc(allocator, size), alloc(allocator, size));
                if size < PAGE {
                    assert_eq!(address(high) % PAGE, 0);
                }
                assert_ne!(tag_of(low), memory_tag(address(low) + size));
                assert_ne!(tag_of(high), memory_tag(address(high) - GRANULE));
                free(allocator, low, size);
                free(allocator, high, size);
            }
        }
    });
}

/// Fills a block with consecutive numbers.
fn fill(block: *mut u8, size: usize) {
    // SAFETY: The accesses are within the block, which is live.
    (0..size).for_each(|byte| unsafe { block.add(byte).write_volatile(byte as u8) });
}

/// Returns whether a block holds consecutive numbers.
fn holds(block: *mut u8, size: usize) -> bool {
    // SAFETY: The accesses are within the block, which is live.
    (0..size).all(|byte| unsafe { block.add(byte).read_volatile() } == byte as u8)
}

#[test]
fn reallocated_blocks_have_new_tags_and_the_old_contents() {
    with_arena("reallocated_blocks_have_new_tags_and_the_old_contents", |allocator| {
        for (old, new) in [(40, 200), (200, 40), (40, 4096), (4096, 16), (4090, 8192)] {
            for is_last in [true, false] {
                let block = alloc(allocator, old);
                let behind = (!is_last).then(|| alloc(allocator, 1));
                fill(block, old);
                let moved = resize(allocator, block, old, new);
                assert_eq!(address(moved) == address(block), is_last);
                assert!(is_tagged(moved, new) && holds(moved, old.min(new)));
                assert_ne!(tag_of(moved), tag_of(block));
                assert_eq!(fault(allocator, block).1.pointer, tag_of(block));
                if is_last {
                    let end = address(moved) + new.next_multiple_of(GRANULE);
                    assert!(is_free(end, old.saturating_sub(new)));
                } else {
                    assert!(is_free(address(block), old));
                }
                free(allocator, moved, new);
                behind.into_iter().for_each(|block| free(allocator, block, 1));
            }
        }
    });
}

#[test]
fn a_block_that_takes_the_same_granules_stays_as_it_is() {
    with_arena("a_block_that_takes_the_same_granules_stays_as_it_is", |allocator| {
        let block = alloc(allocator, 33);
        assert_eq!(resize(allocator, block, 33, 48), block);
        assert_eq!(resize(allocator, block, 48, 34), block);
        free(allocator, block, 34);
    });
}

#[test]
fn a_block_that_cannot_be_reallocated_stays_as_it_is() {
    with_arena("a_block_that_cannot_be_reallocated_stays_as_it_is", |allocator| {
        let block = alloc(allocator, 40);
        fill(block, 40);
        allocator.inner().is_full.store(true, Relaxed);
        assert!(resize(allocator, block, 40, 100).is_null());
        assert!(resize(allocator, block, 40, isize::MAX as usize).is_null());
        // SAFETY: The size is not zero.
        assert!(unsafe { allocator.alloc(layout(40)) }.is_null());
        assert!(is_tagged(block, 40) && holds(block, 40));
        free(allocator, block, 40);
    });
}

#[test]
fn blocks_of_all_alignments_have_tags_and_none_is_left() {
    with_arena("blocks_of_all_alignments_have_tags_and_none_is_left", |allocator| {
        let arena = allocator.inner();
        let layouts = (0..=16).map(|bits| Layout::from_size_align(24 + bits, 1 << bits).unwrap());
        // SAFETY: The sizes are not zero, and blocks are freed once.
        unsafe {
            let blocks: Vec<_> =
                layouts.map(|layout| (allocator.alloc_zeroed(layout), layout)).collect();
            for (block, layout) in &blocks {
                assert!(is_tagged(*block, layout.size()));
                assert_eq!(address(*block) % layout.align(), 0);
                assert!((0..layout.size()).all(|byte| block.add(byte).read_volatile() == 0));
            }
            blocks.iter().for_each(|(block, layout)| allocator.dealloc(*block, *layout));
        }
        assert!(is_free(arena.start(), arena.used()));
    });
}

/// Tags the first `size` bytes of an arena, and returns its start. An emulator loses tags if several threads are the
/// first to tag a page.
fn tagged_before(allocator: &Tagged<Arena>, size: usize) -> *mut u8 {
    free(allocator, alloc(allocator, size), size);
    // SAFETY: No block is live.
    unsafe { allocator.inner().set_used(0) };
    ptr::with_exposed_provenance_mut(allocator.inner().start())
}

#[test]
fn threads_that_tag_adjacent_blocks_choose_different_tags() {
    with_arena("threads_that_tag_adjacent_blocks_choose_different_tags", |allocator| {
        let arena = allocator.inner();
        tagged_before(allocator, 200_000);
        let blocks: Vec<usize> = std::thread::scope(|scope| {
            let allocate = || (0..1000).map(|_| alloc(allocator, 16).expose_provenance()).collect();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(allocate)).collect();
            threads
                .into_iter()
                .flat_map(|thread| -> Vec<usize> { thread.join().unwrap() })
                .collect()
        });
        let tags: Vec<u8> =
            (0..arena.used()).step_by(16).map(|at| memory_tag(arena.start() + at)).collect();
        assert_eq!(tags.len(), blocks.len());
        assert!(tags.windows(2).all(|pair| pair[0] != pair[1]));
        blocks
            .into_iter()
            .for_each(|block| free(allocator, ptr::with_exposed_provenance_mut(block), 16));
        assert!(is_free(arena.start(), arena.used()));
    });
}

/// An allocator with a single block.
struct Single(*mut u8);

// SAFETY: Only one thread uses each value.
unsafe impl Sync for Single {}

// SAFETY: The tests allocate at most one block from each value, of at most a granule.
unsafe impl GlobalAlloc for Single {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        self.0
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

/// Waits until `all` threads have called it.
fn meet(arrived: &AtomicUsize, all: usize) {
    arrived.fetch_add(1, AcqRel);
    for spins in 0.. {
        if arrived.load(Acquire) >= all {
            return;
        }
        // The other thread may need this core.
        if spins % 1000 == 999 { std::thread::yield_now() } else { std::hint::spin_loop() }
    }
}

#[test]
fn two_threads_that_tag_adjacent_blocks_at_the_same_time_choose_different_tags() {
    const ROUNDS: usize = 10_000;
    let name = "two_threads_that_tag_adjacent_blocks_at_the_same_time_choose_different_tags";
    with_arena(name, |allocator| {
        let start = tagged_before(allocator, 64);
        let singles = [16, 32].map(|at| Tagged::new(Single(start.wrapping_add(at))));
        let arrived = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for single in &singles {
                let (arrived, singles) = (&arrived, &singles);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        meet(arrived, 4 * round + 2);
                        let block = alloc(single, 16);
                        meet(arrived, 4 * round + 4);
                        let beside =
                            singles.iter().map(|single| memory_tag(single.inner().0.addr()));
                        assert_eq!(beside.filter(|tag| *tag == tag_of(block)).count(), 1);
                        free(single, block, 16);
                    }
                });
            }
        });
    });
}
