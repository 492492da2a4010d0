//! Blocks that were mapped separately and become small are unmapped.
//!
//! This is the only test of its process, because mapped blocks are counted for the whole process.
#![cfg(all(feature = "system", feature = "std", any(unix, windows), target_pointer_width = "64"))]

use std::alloc::{GlobalAlloc, Layout};

use talloc_global::*;

static HEAP: SystemTalloc = SystemTalloc::new();

fn mapped() -> usize {
    HEAP.verify().unwrap().mapped_blocks
}

#[test]
fn small_blocks_leave_nothing_mapped() {
    let aligned = Layout::from_size_align(64, 1 << 30).unwrap();
    let large = Layout::from_size_align(200 << 20, 8).unwrap();
    for size in [64, 1000, 10_000] {
        // SAFETY: Blocks are used and freed once with their layouts.
        unsafe {
            // The thread gets its caches.
            let small = Layout::from_size_align(size, 8).unwrap();
            HEAP.dealloc(HEAP.alloc(small), small);
            let block = HEAP.alloc(aligned);
            assert!(block.addr() % aligned.align() == 0 && mapped() == 1);
            HEAP.dealloc(block, aligned);
            assert_eq!(mapped(), 0);
            let block = HEAP.alloc(large);
            assert_eq!(mapped(), 1);
            block.write_bytes(7, size);
            let block = HEAP.realloc(block, large, size);
            assert!(std::slice::from_raw_parts(block, size).iter().all(|byte| *byte == 7));
            HEAP.dealloc(block, small);
            assert_eq!(mapped(), 0, "after a block of {size} bytes");
        }
    }
}
