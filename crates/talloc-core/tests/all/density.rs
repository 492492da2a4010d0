//! Blocks have no headers: a block takes its size and no more.

use crate::common::{layout, memory};
use talloc_core::{Compact, Config, Micro, RealTime, Talloc};

/// Fills a heap of `bytes` bytes with blocks. Returns their addresses in order.
fn fill<C: Config>(bytes: usize, size: usize, align: usize) -> Vec<usize> {
    let mut heap = Talloc::<C>::with_config();
    let mut blocks = Vec::new();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        heap.init(memory(bytes));
        while let Ok(block) = heap.malloc(layout(size, align)) {
            blocks.push(block.addr().get());
        }
    }
    assert_eq!(heap.verify().unwrap().used_bytes, blocks.len() * size.next_multiple_of(8));
    blocks.sort_unstable();
    blocks
}

fn blocks_lie_side_by_side<C: Config>(bytes: usize) {
    for size in [16, 24, 33, 40, 100, 4000] {
        let blocks = fill::<C>(bytes, size, 8);
        let taken = size.next_multiple_of(8);
        assert!(blocks.windows(2).all(|pair| pair[1] - pair[0] == taken), "{size}");
        // All memory is used except the bitmap, which takes a 64th, and a rest that is too small for a block.
        assert!(blocks.len() >= (bytes - bytes / 64 - 64) / taken, "{} of {size}", blocks.len());
    }
}

#[test]
#[cfg_attr(miri, ignore = "too slow in Miri")]
fn a_block_of_40_bytes_takes_40_bytes() {
    blocks_lie_side_by_side::<Compact>(1 << 20);
    blocks_lie_side_by_side::<RealTime>(1 << 20);
    blocks_lie_side_by_side::<Micro>(1 << 18);
}

#[test]
fn pages_pack_without_a_gap() {
    const PAGE: usize = 4096;
    let pages = fill::<Compact>(256 * PAGE, PAGE, PAGE);
    assert!(pages.iter().all(|page| page % PAGE == 0));
    assert!(pages.windows(2).all(|pair| pair[1] - pair[0] == PAGE));
    // The bitmap takes 4 pages.
    assert!(pages.len() >= 251, "{}", pages.len());
}
