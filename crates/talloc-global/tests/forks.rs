//! Forks while other threads read all heaps, and use a locked one.
//!
//! This is the only test of its process, because children must not depend on threads of other tests.
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

/// Checks the heap in a child process, which has one thread. Nothing here waits or uses the test's own allocator.
fn is_whole() -> bool {
    // SAFETY: Blocks are freed once, with their layouts.
    unsafe {
        let blocks = [(); 50].map(|()| HEAP.alloc(SMALL));
        let is_served = blocks.iter().all(|block| !block.is_null());
        blocks.iter().for_each(|block| HEAP.dealloc(*block, SMALL));
        HEAP.trim();
        // The large block was allocated before the fork. It counts if the thread's heap still exists.
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
            // SAFETY: The child only calls functions that are allowed after a fork, and exits.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let status = if is_whole() { 0 } else { 1 };
                // SAFETY: Exiting the child has no preconditions.
                unsafe { libc::_exit(status) };
            }
            let mut status = -1;
            // SAFETY: The buffer has room for the status.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            if status != 0 {
                is_over.store(true, Relaxed);
            }
            assert_eq!(status, 0, "child {number}");
        }
        is_over.store(true, Relaxed);
    });
    // SAFETY: The block is freed once, with its layout.
    unsafe { HEAP.dealloc(large, LARGE) };
}
