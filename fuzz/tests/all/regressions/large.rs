//! Heaps and requests of gigabytes.

#![cfg(all(target_pointer_width = "64", not(miri)))]

use talloc_core::{ArenaError, Compact, Config, Micro, RealTime, Talloc};
use talloc_fuzz::Shrunk;

use crate::regressions::untouched::Untouched;
use crate::regressions::{layout, malloc, report};

const GIB: usize = 1 << 30;

/// Requests more than a heap of `size` bytes has, and then most of its memory.
fn check<C: Config>(size: usize) {
    let memory = Untouched::new(size);
    let mut heap = Talloc::<C>::with_config();
    // SAFETY: Nothing else uses the memory, and it outlives the heap.
    unsafe { heap.init(memory.span()) };
    let small = malloc(&mut heap, layout(100, 8)).expect("there is room");
    heap.flush();
    let before = report(&heap);
    for wanted in [size, 2 * GIB, 3 * GIB + 8, 4 * GIB, 5 * GIB, 8 * GIB, 17 * GIB, 1 << 40] {
        assert!(malloc(&mut heap, layout(wanted, 8)).is_err(), "{wanted:#x}");
        // SAFETY: The block is allocated with this layout.
        unsafe { assert!(heap.grow(small, layout(100, 8), wanted).is_err(), "{wanted:#x}") };
        assert_eq!(report(&heap), before);
    }
    let most = layout(size - size / 16, 1 << 20);
    let large = malloc(&mut heap, most).expect("there is room");
    assert!(report(&heap).used_bytes >= most.size());
    // SAFETY: The blocks are allocated with these layouts.
    unsafe {
        heap.free(large, most);
        heap.free(small, layout(100, 8));
    }
    heap.flush();
    assert_eq!(report(&heap).free_chunks, 1);
}

#[test]
fn a_request_that_cannot_be_met_compact() {
    check::<Compact>(GIB);
    check::<Compact>(2 * GIB - 8);
}

#[test]
fn a_request_that_cannot_be_met_real_time() {
    check::<RealTime>(GIB + 4096);
}

#[test]
fn a_request_that_cannot_be_met_shrunk() {
    check::<Shrunk>(GIB + 8);
}

#[test]
fn an_arena_beyond_the_links_is_refused_or_split() {
    let memory = Untouched::new(GIB);
    let mut heap = Talloc::<Micro>::with_config();
    // SAFETY: Nothing else uses the memory, and it outlives the heap.
    unsafe {
        assert_eq!(heap.arenas_mut().try_init(memory.span()), Err(ArenaError::TooFar));
        assert_eq!(heap.arenas_mut().try_extend(memory.span()), Err(ArenaError::TooFar));
    }
    assert!(heap.get_arena().is_empty());
    assert!(malloc(&mut heap, layout(1, 1)).is_err());
    // SAFETY: Nothing else uses the memory, and it outlives the heap.
    unsafe { heap.claim(memory.span()).unwrap() };
    assert!(malloc(&mut heap, layout(500 << 10, 8)).is_ok());
    assert!(report(&heap).arena_bytes > GIB - 4096);
}
