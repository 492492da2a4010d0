//! Larson's server.

use super::work::{Block, Cost, Load};
use std::{alloc::GlobalAlloc, sync::Mutex};

/// Blocks in a set.
const BLOCKS: usize = 1000;

/// How often a block is replaced before a thread goes on with another set.
const STEPS: usize = 10_000;

/// Sets of blocks that no thread has.
type Sets = Mutex<Vec<Vec<Block>>>;

/// Each thread takes a set that some thread has left, replaces blocks at random, and leaves it for others.
pub fn run<H: GlobalAlloc + Sync>(load: &Load, heap: &H) -> Cost {
    let rounds = load.calls / load.threads / (2 * STEPS);
    let mut random = fastrand::Rng::with_seed(0);
    let mut set = || (0..BLOCKS).map(|_| Block::new(heap, load.size(&mut random), 0)).collect();
    let sets: Sets = Mutex::new((0..=load.threads).map(|_| set()).collect());
    let time = load.start(vec![(); load.threads], |thread, ()| {
        let mut random = fastrand::Rng::with_seed(1 + thread as u64);
        for round in 0..rounds {
            let mut set = lock(&sets).swap_remove(0);
            for _ in 0..STEPS {
                let block = &mut set[random.usize(..BLOCKS)];
                let new = Block::new(heap, load.size(&mut random), round as u8);
                std::mem::replace(block, new).free(heap);
            }
            lock(&sets).push(set);
        }
    });
    let sets = sets.into_inner().expect("no thread panics");
    sets.into_iter().flatten().for_each(|block| block.free(heap));
    time
}

fn lock(sets: &Sets) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
    sets.lock().expect("no thread panics")
}
