//! Correct programs with tagged blocks. On machines without tags, their blocks have none.
#![cfg(unix)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use common::guarding_all;
use common::random::{Live, run};
use talloc_guarded::{Guarded, Tagged, has_memory_tags};

/// The programs use this allocator, too, and so test it.
#[global_allocator]
static ALLOCATOR: Tagged<System> = Tagged::new(System);

#[test]
fn blocks_keep_their_contents() {
    run(&ALLOCATOR, 0, 4000, 100, 5000);
    run(&ALLOCATOR, 1, 200, 20, 300_000);
}

#[test]
fn threads_have_blocks_of_their_own() {
    thread::scope(|scope| {
        for seed in 0..8 {
            scope.spawn(move || run(&ALLOCATOR, seed, 1000, 60, 5000));
        }
    });
}

#[test]
fn blocks_are_freed_by_other_threads_and_outlive_theirs() {
    let (sender, receiver) = mpsc::channel::<Live>();
    thread::scope(|scope| {
        for seed in 0..4 {
            let sender = sender.clone();
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..300 {
                    sender.send(Live::new(&ALLOCATOR, &mut random, 5000)).unwrap();
                }
            });
        }
        drop(sender);
        receiver.into_iter().for_each(|block| block.freed(&ALLOCATOR));
    });
}

#[test]
fn guarded_and_other_blocks_may_have_tags() {
    run(&Tagged::new(guarding_all()), 1, 1000, 100, 20_000);
    run(
        &Guarded::new(Tagged::new(System)).with_rate(std::num::NonZeroUsize::new(3)),
        2,
        1000,
        100,
        20_000,
    );
}

#[test]
fn the_system_takes_pointers_to_blocks() {
    for size in [1, 16, 4096, 100_000] {
        let mut buffer = vec![1_u8; size];
        File::open("/dev/zero").unwrap().read_exact(&mut buffer).unwrap();
        assert!(buffer.iter().all(|byte| *byte == 0));
    }
}

/// The system allocator, with a list of the requested layouts.
struct Noting(Mutex<Vec<Layout>>);

// SAFETY: The system allocator serves all requests.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().unwrap().push(layout);
        // SAFETY: The caller upholds the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.0.lock().unwrap().push(layout);
        // SAFETY: The caller upholds the contract of this function.
        unsafe { System.dealloc(block, layout) }
    }
}

#[test]
fn without_tags_requests_are_passed_on_as_they_are() {
    let allocator = Tagged::new(Noting(Mutex::default()));
    let layout = Layout::from_size_align(40, 8).unwrap();
    // SAFETY: The size is not zero, and the block is freed once.
    unsafe {
        let block = allocator.alloc(layout);
        allocator.dealloc(block, layout);
    }
    let granules = Layout::from_size_align(48, 16).unwrap();
    let expected = if has_memory_tags() { granules } else { layout };
    assert_eq!(*allocator.inner().0.lock().unwrap(), [expected; 2]);
}
