//! Random allocations and frees.

use super::work::{Block, Cost, Load};
use std::alloc::GlobalAlloc;

/// Blocks that a thread may have at a time.
const BLOCKS: usize = 1000;

/// Each thread repeatedly picks one of its places, and frees the block there, or allocates one if the place is empty.
pub fn run<H: GlobalAlloc + Sync>(load: &Load, heap: &H) -> Cost {
    let calls = load.calls / load.threads;
    load.start(vec![(); load.threads], |thread, ()| {
        let mut random = fastrand::Rng::with_seed(thread as u64);
        let mut blocks: Vec<Option<Block>> = (0..BLOCKS).map(|_| None).collect();
        for call in 0..calls {
            let place = &mut blocks[random.usize(..BLOCKS)];
            match place.take() {
                Some(block) => block.free(heap),
                None => *place = Some(Block::new(heap, load.size(&mut random), call as u8)),
            }
        }
        blocks.into_iter().flatten().for_each(|block| block.free(heap));
    })
}
