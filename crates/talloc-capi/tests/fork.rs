//! Processes that fork while other threads allocate, and that continue to allocate in the child.
#![cfg(unix)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use talloc_capi::{aligned_alloc, free, malloc, realloc};

/// The time limit of a child in seconds.
const PATIENCE: u32 = 10;

/// Allocates and frees blocks of many sizes, most of which are not cached.
fn allocate(seed: usize) {
    let mut blocks = [std::ptr::null_mut(); 64];
    for at in 0..2000 {
        let step = at * 31 + seed;
        // SAFETY: Each pointer is null or a block, and there is no other pointer to it.
        unsafe {
            let place = &mut blocks[step % 64];
            free(*place);
            *place = match step % 3 {
                0 => aligned_alloc(32 << (step % 8), step * 37 % 3000),
                _ => realloc(malloc(step * 37 % 3000), step * 41 % 5000 + 1),
            };
            assert!(!place.is_null());
        }
    }
    // SAFETY: Each pointer is null or a block, and there is no other pointer to it.
    blocks.into_iter().for_each(|block| unsafe { free(block) });
}

/// Forks, and waits for the child, which allocates. Returns its status, zero for success.
fn fork(seed: usize) -> libc::c_int {
    // SAFETY: The child calls only functions of this library and of the system.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(PATIENCE);
            allocate(seed);
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        status
    }
}

#[test]
fn children_can_allocate() {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..3 {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    allocate(number);
                }
            });
        }
        let failed = (0..200).map(fork).find(|status| *status != 0);
        done.store(true, Ordering::Relaxed);
        assert_eq!(failed, None, "a child was terminated by a signal");
    });
}
