//! Blocks that are mapped separately, outside of the arenas.
#![cfg(all(feature = "system", feature = "std", any(unix, windows)))]

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use talloc_global::config::{Checked, Config};
use talloc_global::inspect::Report;
use talloc_global::source::SystemHardened;
use talloc_global::*;

const MIB: usize = 1 << 20;

/// The size from which blocks are mapped separately.
const LARGE: usize = 128 * MIB;

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// Returns the value of a block's byte at an offset.
fn byte(at: usize) -> u8 {
    (at / 4096) as u8 ^ at as u8
}

/// Writes some bytes of each page of a block, from the offset `from` on.
///
/// # Safety
///
/// The block has `size` bytes.
unsafe fn write(block: *mut u8, from: usize, size: usize) {
    // SAFETY: The caller passes a block of `size` bytes, and all offsets are less.
    places(size).filter(|at| *at >= from).for_each(|at| unsafe { block.add(at).write(byte(at)) });
}

/// Returns whether the block has the contents written by [`write`].
///
/// # Safety
///
/// As for [`write`].
unsafe fn is_whole(block: *mut u8, size: usize) -> bool {
    // SAFETY: The caller passes a block of `size` bytes, and all offsets are less.
    places(size).all(|at| unsafe { block.add(at).read() } == byte(at))
}

fn places(size: usize) -> impl Iterator<Item = usize> {
    (0..size).step_by(1021).chain([size - 1])
}

/// Verifies the heap and returns its report.
fn report(heap: &SystemTalloc) -> Report {
    heap.verify().unwrap()
}

/// Lets only one test run at a time, because mapped blocks are counted for all of them.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_block_has_memory_of_its_own_from_a_size_on() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    let _alone = alone();
    // SAFETY: The sizes are not zero, and blocks are freed once.
    unsafe {
        let small = HEAP.alloc(bytes(LARGE - 1));
        assert_eq!(report(&HEAP).mapped_blocks, 0);
        let large = HEAP.alloc(bytes(LARGE));
        let counted = report(&HEAP);
        assert_eq!((counted.mapped_blocks, counted.mapped_bytes), (1, LARGE));
        write(large, 0, LARGE);
        HEAP.dealloc(small, bytes(LARGE - 1));
        assert!(is_whole(large, LARGE));
        HEAP.dealloc(large, bytes(LARGE));
    }
    assert_eq!((report(&HEAP).mapped_blocks, report(&HEAP).mapped_bytes), (0, 0));
}

#[test]
fn a_block_grows_and_shrinks_to_any_size() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    let _alone = alone();
    let sizes = [
        1,
        500,
        LARGE - 1,
        LARGE,
        LARGE + 1,
        3 * LARGE,
        100 * MIB + 12_345,
        LARGE,
        4000,
        4 * LARGE,
        LARGE - 1,
        100,
        2 * LARGE,
    ];
    // SAFETY: The block is always passed with its current size.
    unsafe {
        let mut size = 1000;
        let mut block = HEAP.alloc(bytes(size));
        write(block, 0, size);
        for new in sizes {
            block = HEAP.realloc(block, bytes(size), new);
            assert!(!block.is_null() && is_whole_up_to(block, size.min(new)));
            write(block, size.min(new), new);
            size = new;
            let counted = report(&HEAP);
            // A block that shrinks stays in place.
            assert!(counted.mapped_blocks <= 1 && (size < LARGE || counted.mapped_blocks == 1));
        }
        HEAP.dealloc(block, bytes(size));
    }
    HEAP.trim();
    assert_eq!(report(&HEAP).mapped_bytes, 0);
}

/// Returns whether the block has the contents written by [`write`], except for its last byte.
///
/// # Safety
///
/// As for [`write`].
unsafe fn is_whole_up_to(block: *mut u8, size: usize) -> bool {
    // SAFETY: The caller passes a block of `size` bytes, and all offsets are less.
    (0..size).step_by(1021).all(|at| unsafe { block.add(at).read() } == byte(at))
}

#[test]
fn any_alignment_is_met() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    let _alone = alone();
    // Other tests need addresses at the same time, and some machines have few.
    let most = if usize::BITS < 64 { 23 } else { 28 };
    for align in (0..most).map(|log2| 1_usize << log2) {
        let layout = |size| Layout::from_size_align(size, align).unwrap();
        // SAFETY: The block is used with its current layout.
        unsafe {
            let block = HEAP.alloc(layout(LARGE));
            assert!(!block.is_null() && block.addr() % align == 0);
            write(block, 0, LARGE);
            let block = HEAP.realloc(block, layout(LARGE), 3 * LARGE);
            assert!(!block.is_null() && block.addr() % align == 0);
            assert!(is_whole_up_to(block, LARGE));
            write(block, 0, 3 * LARGE);
            let block = HEAP.realloc(block, layout(3 * LARGE), LARGE + 5);
            assert!(!block.is_null() && block.addr() % align == 0);
            assert!(is_whole_up_to(block, LARGE + 5));
            HEAP.dealloc(block, layout(LARGE + 5));
        }
    }
    assert_eq!(report(&HEAP).mapped_bytes, 0);
}

#[test]
fn absurd_sizes_are_refused() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    let _alone = alone();
    let most = isize::MAX as usize;
    // On a machine with few addresses, half of them may be available if nothing else uses them.
    let is_absurd = usize::BITS >= 64;
    let high = Layout::from_size_align(LARGE, most / 2 + 1).unwrap();
    // SAFETY: The sizes are not zero, and blocks are freed once, with their sizes.
    unsafe {
        for layout in [bytes(most - 7), high] {
            let block = HEAP.alloc(layout);
            assert!(block.is_null() || !is_absurd);
            if !block.is_null() {
                assert_eq!(block.addr() % layout.align(), 0);
                HEAP.dealloc(block, layout);
            }
        }
        let block = HEAP.alloc_zeroed(bytes(LARGE));
        let grown = HEAP.realloc(block, bytes(LARGE), most - 7);
        assert!(grown.is_null() || !is_absurd);
        let (block, size) = if grown.is_null() { (block, LARGE) } else { (grown, most - 7) };
        block.add(LARGE - 1).write(1);
        HEAP.dealloc(block, bytes(size));
    }
    assert_eq!(report(&HEAP).mapped_bytes, 0);
}

#[test]
fn a_checked_heap_knows_all_blocks() {
    static HEAP: SystemTallock<Checked> = SystemTallock::with_config();
    // SAFETY: The sizes are not zero, and blocks are freed once.
    unsafe {
        let block = HEAP.alloc(bytes(2 * LARGE));
        let counted = HEAP.verify().unwrap();
        assert_eq!((counted.mapped_blocks, counted.used_blocks), (0, Some(1)));
        let block = HEAP.realloc(block, bytes(2 * LARGE), 3 * LARGE);
        let check = |size| HEAP.0.lock().inspect().check(NonNull::new(block).unwrap(), bytes(size));
        assert!(check(3 * LARGE).is_ok() && check(2 * LARGE).is_err());
        HEAP.dealloc(block, bytes(3 * LARGE));
    }
    assert_eq!(HEAP.verify().unwrap().used_blocks, Some(0));
}

/// Allocates two blocks. The heap must grow for each.
fn grow_twice<C: Config>() {
    for size in [33 * MIB, 40 * MIB, 100 * MIB] {
        let heap = SystemTallock::<C>::with_config();
        for count in 1..=2 {
            assert!(heap.malloc(bytes(size)).is_ok());
            let (needed, taken) = (count * size, heap.verify().unwrap().arena_bytes);
            assert!(taken <= needed + needed / 12, "{taken} bytes for {needed}");
        }
    }
}

/// The bitmap of a checked heap is twice as large.
#[test]
fn a_checked_heap_grows_by_what_a_block_needs() {
    let _alone = alone();
    grow_twice::<Checked>();
    grow_twice::<SystemHardened>();
}

#[test]
fn the_largest_blocks_of_the_heaps_come_home() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    let _alone = alone();
    let before = report(&HEAP).used_bytes;
    for size in [LARGE - 1, LARGE - 8, LARGE - 9, LARGE / 2 - 1, 33 << 10] {
        // SAFETY: All accesses are within the block, which is freed once with its layout.
        let block = unsafe {
            let block = HEAP.alloc(bytes(size));
            block.write(1);
            block.add(size - 1).write(1);
            block.expose_provenance()
        };
        thread::spawn(move || {
            let block = ptr::with_exposed_provenance_mut::<u8>(block);
            // SAFETY: The block is freed once, with its layout.
            unsafe { HEAP.dealloc(block, bytes(size)) };
        })
        .join()
        .unwrap();
        HEAP.trim();
        assert_eq!(report(&HEAP).used_bytes, before, "{size}");
    }
}

#[test]
fn threads_have_large_blocks_at_once() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    let _alone = alone();
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..20 {
                    let size = LARGE + thread * 100_000 + round;
                    // SAFETY: The block is used with its current layout.
                    unsafe {
                        let block = HEAP.alloc(bytes(size));
                        write(block, 0, size);
                        let grown = HEAP.realloc(block, bytes(size), size + MIB);
                        assert!(is_whole(grown, size));
                        HEAP.dealloc(grown, bytes(size + MIB));
                    }
                }
            });
        }
    });
    assert_eq!((report(&HEAP).mapped_blocks, report(&HEAP).mapped_bytes), (0, 0));
}
