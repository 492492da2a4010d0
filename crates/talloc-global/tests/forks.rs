//! Forks while other threads look at all heaps, and use the one that is behind a lock.
//!
//! Alone in its file: children must not meet the threads of other tests.
#![cfg(all(feature = "system", feature = "std", target_os = "linux"))]

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use talloc_global::*;

const FORKS: usize = 300;
const LARGE: Layout = Layout::new::<[u8; 1 << 20]>();
const SMALL: Layout = Layout::new::<[u8; 200]>();

static HEAP: SystemTalloc = SystemTalloc::new();

/// What a child does, which has one thread. Nothing of it waits, or is the test's own allocator's.
fn is_whole() -> bool {
    // SAFETY: Blocks are freed once, with their layouts.
    unsafe {
        let blocks = [(); 50].map(|()| HEAP.alloc(SMALL));
        let is_served = blocks.iter().all(|block| !block.is_null());
        blocks.iter().for_each(|block| HEAP.dealloc(*block, SMALL));
        HEAP.trim();
        // The large block was allocated before the fork: it counts if the heap of the thread is still there.
        is_served && HEAP.used_bytes() >= LARGE.size() && HEAP.verify().is_ok()
    }
}

#[test]
fn the_heap_of_the_thread_that_forks_is_whole_in_the_child() {
    // SAFETY: The size is not zero.
    let large = black_box(unsafe { HEAP.alloc(LARGE) });
    assert!(!large.is_null());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                black_box(HEAP.statistics());
                HEAP.trim();
            }
        });
        for number in 0..FORKS {
            // SAFETY: The child does what may be done there, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let status = if is_whole() { 0 } else { 1 };
                // SAFETY: It ends the child.
                unsafe { libc::_exit(status) };
            }
            let mut status = -1;
            // SAFETY: There is room for the answer.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            if status != 0 {
                is_over.store(true, Relaxed);
            }
            assert_eq!(status, 0, "child {number}");
        }
        is_over.store(true, Relaxed);
    });
    // SAFETY: It is freed once, with its layout.
    unsafe { HEAP.dealloc(large, LARGE) };
}
