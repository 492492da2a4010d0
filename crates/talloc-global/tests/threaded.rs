//! A heap for each thread, as the global allocator.
#![cfg(all(feature = "system", feature = "std", any(unix, windows)))]

mod common;

use talloc_global::*;

#[global_allocator]
static ALLOCATOR: SystemTalloc = SystemTalloc::new();

/// This is the only test, because it compares the state of the heap before and after.
#[test]
fn threads_that_end_leave_nothing_behind() {
    let live = || {
        // The report is complete before a panic allocates.
        let report = ALLOCATOR.verify();
        report.unwrap().used_bytes
    };
    common::hammer(4, 2000);
    let before = live();
    // There are more threads than heaps, one after another and at once.
    for _ in 0..10 {
        common::hammer(20, 300);
    }
    let many: Vec<_> = (0..300).map(|at| std::thread::spawn(move || vec![at; 1000])).collect();
    let sums = many.into_iter().map(|thread| thread.join().unwrap().iter().sum::<usize>());
    assert_eq!(sums.sum::<usize>(), 1000 * (0..300).sum::<usize>());
    for _ in 0..2000 {
        assert_eq!(std::thread::spawn(|| vec![1; 100].len()).join().unwrap(), 100);
    }
    ALLOCATOR.trim();
    let after = live();
    assert!(after <= before + 4096, "{after} bytes are allocated, {before} were before");
}
