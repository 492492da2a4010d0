//! A block that grows at the end of a heap without other blocks.
#![cfg(all(
    feature = "system",
    feature = "std",
    any(unix, windows),
    // With smaller pointers, a part of the address range is smaller than the block.
    target_pointer_width = "64",
))]

use std::alloc::{GlobalAlloc, Layout};

use talloc_global::*;

const MIB: usize = 1 << 20;

/// The size of the block doubles, like that of a vector.
#[test]
fn the_heap_of_a_thread_grows_under_its_last_block() {
    let heap = SystemTalloc::new();
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    let mut size = MIB;
    // SAFETY: All accesses are within the block, which is freed once with its layout.
    unsafe {
        let block = heap.alloc(layout(size));
        block.write_bytes(1, size);
        while size < 64 * MIB {
            let grown = heap.realloc(block, layout(size), 2 * size);
            assert_eq!(grown, block, "a block of {size} bytes has moved");
            block.add(size).write_bytes(1, size);
            size *= 2;
        }
        assert!((0..size).step_by(4096).all(|at| block.add(at).read() == 1));
        heap.dealloc(block, layout(size));
    }
    assert!(heap.verify().is_ok());
}
