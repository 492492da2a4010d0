//! Caches for threads in front of memory from the operating system, as the global allocator.
#![cfg(all(feature = "system", feature = "std", any(unix, windows)))]

mod common;

use talloc_global::*;

#[global_allocator]
static ALLOCATOR: SystemTalloc = SystemTalloc::new();

/// One test, as the heap must be told before and after what no other one changes.
#[test]
fn threads_that_end_leave_nothing_behind() {
    let live = || {
        // What a panic would allocate comes after the heap has been let go.
        let report = ALLOCATOR.verify();
        report.unwrap().used_bytes
    };
    common::hammer(4, 2000);
    let before = live();
    // More threads than slots, one after the other and at once.
    for _ in 0..10 {
        common::hammer(20, 300);
    }
    let after = live();
    assert!(after <= before + 4096, "{after} bytes are allocated, {before} were before");

    ALLOCATOR.flush();
    let cached = ALLOCATOR.verify().unwrap().cached_bytes;
    assert!(cached <= 4096, "{cached} bytes are cached after a flush");
}
