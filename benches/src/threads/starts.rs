//! Threads that start and end.

use super::work::{Block, Cost, Load};
use std::{alloc::GlobalAlloc, mem, thread};

/// Calls in a thread's life.
const CALLS: usize = 2000;

/// Blocks that a thread may have at a time.
const BLOCKS: usize = 200;

type Places = Vec<Option<Block>>;

/// Runs `load.threads` threads at a time. Each thread allocates and frees at random for a few calls, starting with the
/// blocks of the previous thread.
pub fn run<H: GlobalAlloc + Sync>(load: &Load, heap: &H) -> Cost {
    let lives = load.calls / load.threads / CALLS;
    load.start(vec![(); load.threads], |thread, ()| {
        let mut places: Places = (0..BLOCKS).map(|_| None).collect();
        for life in 0..lives {
            let seed = (thread * lives + life) as u64;
            let left = mem::take(&mut places);
            places = thread::scope(|scope| {
                let thread = scope.spawn(move || live(load, heap, seed, left));
                thread.join().expect("no thread panics")
            });
        }
        places.into_iter().flatten().for_each(|block| block.free(heap));
    })
}

/// A thread's life. Returns the blocks that it leaves.
fn live<H: GlobalAlloc>(load: &Load, heap: &H, seed: u64, mut places: Places) -> Places {
    let mut random = fastrand::Rng::with_seed(seed);
    for call in 0..CALLS {
        let place = &mut places[random.usize(..BLOCKS)];
        match place.take() {
            Some(block) => block.free(heap),
            None => *place = Some(Block::new(heap, load.size(&mut random), call as u8)),
        }
    }
    places
}
