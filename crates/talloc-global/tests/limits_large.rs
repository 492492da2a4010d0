//! A process with a limit on addresses, smaller than what its large blocks need.
//!
//! This is the only test of its process, because the limit applies to the whole process.
#![cfg(all(feature = "system", feature = "std", target_os = "linux", target_pointer_width = "64"))]

use std::alloc::{GlobalAlloc, Layout};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use talloc_global::*;

const MIB: usize = 1 << 20;
const LIMIT: usize = 1 << 30;
const LARGE: Layout = Layout::new::<[u8; 40 * MIB]>();
const SMALL: Layout = Layout::new::<[u8; MIB]>();

static HEAP: SystemTalloc = SystemTalloc::new();

/// Allocates blocks of a layout until a request fails.
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
    // SAFETY: The heap allocated these blocks with this layout, and each is freed once.
    blocks.into_iter().for_each(|block| unsafe { HEAP.dealloc(block, layout) });
    HEAP.verify().unwrap();
}

#[test]
fn large_blocks_use_and_return_the_rest_of_the_addresses() {
    let limit = Some(LIMIT as u64);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).unwrap();
    // User-mode emulators ignore the limit, and the test would use all memory.
    assert_eq!(getrlimit(Resource::As).current, limit, "the limit is not in force");

    // The heaps reserve a part of the addresses. Large blocks that do not fit there use the rest.
    let large = all(LARGE);
    let mapped = HEAP.verify().unwrap().mapped_blocks;
    assert!(mapped > 0 && mapped <= large.len());
    assert!(large.len() > LIMIT / LARGE.size() / 2, "{} blocks", large.len());

    // SAFETY: The block is unchanged if it cannot grow, and shrinking never fails.
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

    // The addresses then serve small blocks, and after that large ones again.
    let small = all(SMALL);
    assert!(small.len() > LIMIT / SMALL.size() / 2, "{} blocks", small.len());
    free(small, SMALL);
    HEAP.trim();
    let large = all(LARGE);
    assert!(large.len() > LIMIT / LARGE.size() / 2, "{} blocks", large.len());
    free(large, LARGE);
    assert_eq!(HEAP.verify().unwrap().mapped_bytes, 0);
}
