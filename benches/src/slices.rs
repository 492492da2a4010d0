//! Random actions in slices of time: the number of actions that a heap performs.

use crate::{
    actions::{Actions, Player},
    heap::Heap,
    random::LIVE,
    replay::Stop,
    sizes::Sizes,
    workload::Workload,
};
use cpu_time::ThreadTime;
use std::time::Duration;

/// The largest sizes, in bytes.
pub const MAX_SIZES: [usize; 6] = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10];

/// A slice of time.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// The largest size in bytes; sizes are uniform.
    pub max_size: usize,
    /// Whether one action in three is a reallocation.
    pub realloc: bool,
    /// Processor time.
    pub time: Duration,
}

impl Slice {
    /// Memory in which no heap fails.
    pub fn ample(&self) -> usize {
        // A live block has half of the largest size on average. The memory is three times the size of all live blocks.
        (self.max_size * LIVE as usize * 3 / 2).max(1 << 20)
    }
}

/// Returns the actions per second, in millions, after the usual number of blocks is live. The time includes that of the
/// workload itself: to choose an action, and to write the block's first and last byte.
impl Workload for Slice {
    type Output = Result<f64, Stop>;

    unsafe fn run<H: Heap>(&mut self, heap: &mut H) -> Result<f64, Stop> {
        let sizes = Sizes::Uniform(1, self.max_size);
        let live = LIVE as usize;
        let actions = Actions { sizes, aligned: false, realloc: self.realloc, live: Some(live) };
        let mut player = Player::new(actions);
        // SAFETY: the heap is new, and all blocks are its own.
        unsafe {
            for _ in 0..live {
                let block = player.choose_block();
                if !player.execute(heap, block) {
                    return Err(Stop::OutOfMemory);
                }
            }
            self.count(heap, &mut player)
        }
    }
}

impl Slice {
    /// # Safety
    /// All blocks are the heap's.
    unsafe fn count<H: Heap>(&self, heap: &mut H, player: &mut Player) -> Result<f64, Stop> {
        /// Actions between two looks at the clock.
        const BATCH: usize = 1000;
        let start = ThreadTime::now();
        let mut batches = 0;
        loop {
            for _ in 0..BATCH {
                // SAFETY: by the contract of this function.
                if !unsafe { player.act(heap) } {
                    return Err(Stop::OutOfMemory);
                }
            }
            batches += 1;
            let time = start.elapsed();
            if time >= self.time {
                return Ok((batches * BATCH) as f64 / time.as_secs_f64() / 1e6);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{heap::Memory, registry::HEAPS, workload};

    #[test]
    fn every_heap_has_its_slice_and_passes() {
        let mut slice = Slice { max_size: 256, realloc: true, time: Duration::from_millis(1) };
        let mut memory = Memory::new(slice.ample());
        for heap in HEAPS {
            // SAFETY: the memory is borrowed for the call.
            let rate = unsafe { workload::check(heap, &mut slice, memory.first(usize::MAX)) };
            assert!(rate.unwrap().unwrap() > 0.0, "{}", heap.name);
        }
    }
}
