//! A process that may not have as many addresses as its large blocks would like.
//!
//! Alone in its file, as the limit is one for the whole process.
#![cfg(all(feature = "system", feature = "std", target_os = "linux", target_pointer_width = "64"))]

use std::alloc::{GlobalAlloc, Layout};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use talloc_global::*;

const MIB: usize = 1 << 20;
const LIMIT: usize = 1 << 30;
const LARGE: Layout = Layout::new::<[u8; 40 * MIB]>();
const SMALL: Layout = Layout::new::<[u8; MIB]>();

static HEAP: SystemTalloc = SystemTalloc::new();

/// Blocks of a layout, as many as there are.
fn all(layout: Layout) -> Vec<*mut u8> {
    let block = || {
        // SAFETY: The size is not zero, and all accesses are within the block.
        unsafe {
            let block = HEAP.alloc(layout);
            (!block.is_null()).then(|| block.write_bytes(1, 1)).map(|()| block)
        }
    };
    std::iter::from_fn(block).collect()
}

fn free(blocks: Vec<*mut u8>, layout: Layout) {
    // SAFETY: They are the heap's, with this layout, and freed once.
    blocks.into_iter().for_each(|block| unsafe { HEAP.dealloc(block, layout) });
    HEAP.verify().unwrap();
}

#[test]
fn what_the_heaps_leave_large_blocks_get_and_give_back() {
    let limit = Some(LIMIT as u64);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).unwrap();
    // Emulators of user programs ignore it, and would let this take all memory there is.
    assert_eq!(getrlimit(Resource::As).current, limit, "the limit is not in force");

    // The heaps reserve a part of the addresses there are; what has no room there is had from the rest.
    let large = all(LARGE);
    let mapped = HEAP.verify().unwrap().mapped_blocks;
    assert!(mapped > 0 && mapped <= large.len());
    assert!(large.len() > LIMIT / LARGE.size() / 2, "{} blocks", large.len());

    // SAFETY: The block is as it was when there is no room for more, and a smaller size never fails.
    unsafe {
        let last = large[large.len() - 1];
        assert!(HEAP.realloc(last, LARGE, LIMIT / 2).is_null());
        assert_eq!(last.read(), 1);
        let less = HEAP.realloc(last, LARGE, LARGE.size() / 3);
        assert_eq!(less.read(), 1);
        let again =
            HEAP.realloc(less, Layout::from_size_align(LARGE.size() / 3, 1).unwrap(), LARGE.size());
        assert!(!again.is_null());
        let blocks: Vec<_> = large[..large.len() - 1].iter().copied().chain([again]).collect();
        free(blocks, LARGE);
    }

    // Then the addresses are small blocks', and large ones' again.
    let small = all(SMALL);
    assert!(small.len() > LIMIT / SMALL.size() / 2, "{} blocks", small.len());
    free(small, SMALL);
    HEAP.trim();
    let large = all(LARGE);
    assert!(large.len() > LIMIT / LARGE.size() / 2, "{} blocks", large.len());
    free(large, LARGE);
    assert_eq!(HEAP.verify().unwrap().mapped_bytes, 0);
}
