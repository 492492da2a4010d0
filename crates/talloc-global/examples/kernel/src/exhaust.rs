//! Taking all memory there is.

use alloc::vec::Vec;

/// Numbers in a block.
const BLOCK: usize = 8 << 10;

/// Allocates until that is refused. Returns how many blocks there were; all are free again.
pub fn run() -> usize {
    let mut blocks: Vec<Vec<u64>> = Vec::new();
    while let Some(block) = block(blocks.len() as u64) {
        // The list itself needs room, too.
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

/// A block that is full of a number, unless there is no memory for it.
fn block(number: u64) -> Option<Vec<u64>> {
    let mut block = Vec::new();
    block.try_reserve_exact(BLOCK).ok()?;
    block.resize(BLOCK, number);
    Some(block)
}
