//! Allocates until the memory is exhausted.

use alloc::vec::Vec;

/// The number of `u64`s in a block.
const BLOCK: usize = 8 << 10;

/// Allocates blocks until a request fails, and frees all of them. Returns their number.
pub fn run() -> usize {
    let mut blocks: Vec<Vec<u64>> = Vec::new();
    while let Some(block) = block(blocks.len() as u64) {
        // Growing the list can fail, too.
        if blocks.try_reserve(1).is_err() {
            break;
        }
        blocks.push(block);
    }
    for (number, block) in blocks.iter().enumerate() {
        let is_whole = [block[0], block[BLOCK - 1]] == [number as u64; 2];
        assert!(is_whole, "block {number} was overwritten");
    }
    blocks.len()
}

/// Allocates a block filled with `number`. Returns `None` if there is no memory.
fn block(number: u64) -> Option<Vec<u64>> {
    let mut block = Vec::new();
    block.try_reserve_exact(BLOCK).ok()?;
    block.resize(BLOCK, number);
    Some(block)
}
