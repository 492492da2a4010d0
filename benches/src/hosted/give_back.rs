//! Memory that goes back to the operating system after most of it is freed.

use super::resident::Resident;
use crate::{heaps::Hosted, sizes::Sizes, ticks};
use anyhow::{Result, ensure};
use fastrand::Rng;
use std::{
    alloc::Layout,
    thread,
    time::{Duration, Instant},
};

/// The blocks' sizes.
const SIZES: Sizes = Sizes::Log(16, 20_000);

/// One in `KEPT` blocks is kept.
const KEPT: usize = 20;

/// The number of pauses in the light work that follows. After each pause, there are a few calls.
const PAUSES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);
const PAIRS: usize = 25;

/// The results. Memory is in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GivenBack {
    /// The bytes of the blocks that are kept.
    pub live: f64,
    /// Resident memory with all blocks.
    pub full: f64,
    /// Resident memory right after most blocks are freed.
    pub freed: f64,
    /// Resident memory after a second of light work.
    pub later: f64,
    /// Resident memory after a trim; NaN if the allocator cannot trim.
    pub trimmed: f64,
    /// The average nanoseconds of a call that frees a block.
    pub free: f64,
    /// Nanoseconds of the longest single call from the first free on.
    pub longest: f64,
    /// Nanoseconds of the trim; NaN if the allocator cannot trim.
    pub trim: f64,
}

impl GivenBack {
    /// The record for a child's answer.
    pub const fn record(&self) -> [f64; 8] {
        let Self { live, full, freed, later, trimmed, free, longest, trim } = *self;
        [live, full, freed, later, trimmed, free, longest, trim]
    }

    /// Makes the results from a child's answer.
    pub const fn from_record(record: [f64; 8]) -> Self {
        let [live, full, freed, later, trimmed, free, longest, trim] = record;
        Self { live, full, freed, later, trimmed, free, longest, trim }
    }
}

/// Allocates and fills `bytes` of mixed blocks, frees most of them at random, does light work for a second, and trims.
///
/// # Errors
///
/// If there is no memory, or resident memory cannot be measured.
pub fn give_back<H: Hosted>(bytes: usize) -> Result<GivenBack> {
    let mut blocks = Blocks::<H>::new(bytes);
    let resident = Resident::begin()?;
    blocks.allocate()?;
    let full = resident.now()?;
    let mut calls = Calls::default();
    let frees = blocks.free_most(&mut calls);
    let free = calls.total / frees as f64;
    let freed = resident.now()?;
    blocks.work(&mut calls)?;
    let later = resident.now()?;
    let begin = Instant::now();
    let [trimmed, trim] = match H::TRIM {
        Some(trim) => {
            trim();
            let time = begin.elapsed().as_secs_f64() * 1e9;
            [resident.now()? as f64, time]
        }
        None => [f64::NAN; 2],
    };
    let live = blocks.live() as f64;
    let [full, freed, later] = [full, freed, later].map(|bytes| bytes as f64);
    Ok(GivenBack { live, full, freed, later, trimmed, free, longest: calls.longest, trim })
}

/// Nanoseconds of single calls.
#[derive(Default)]
struct Calls {
    total: f64,
    longest: f64,
}

impl Calls {
    /// Makes a call.
    #[inline(always)]
    fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let begin = ticks::start();
        let result = call();
        let time = f64::from(ticks::since(begin)) * ticks::nanoseconds_per_tick();
        self.total += time;
        self.longest = self.longest.max(time);
        result
    }
}

/// Blocks of a heap, in the order in which they are freed.
struct Blocks<H> {
    heap: H,
    rng: Rng,
    blocks: Vec<(*mut u8, Layout)>,
}

impl<H: Hosted> Blocks<H> {
    /// Chooses blocks with a total of `bytes` bytes, without allocating them.
    fn new(bytes: usize) -> Self {
        // The clock's own time is measured when it is first read.
        ticks::since(ticks::start());
        ticks::nanoseconds_per_tick();
        let mut rng = Rng::with_seed(1);
        let mut blocks = Vec::new();
        let mut chosen = 0;
        while chosen < bytes {
            let layout = layout(&mut rng);
            chosen += layout.size();
            blocks.push((std::ptr::null_mut(), layout));
        }
        Self { heap: H::empty(), rng, blocks }
    }

    /// Allocates the blocks and fills them.
    fn allocate(&mut self) -> Result<()> {
        for (block, layout) in &mut self.blocks {
            // SAFETY: no size is zero.
            *block = unsafe { self.heap.alloc(*layout) };
            ensure!(!block.is_null(), "out of memory");
            // SAFETY: the block has this size.
            unsafe { block.write_bytes(1, layout.size()) };
        }
        self.rng.shuffle(&mut self.blocks);
        Ok(())
    }

    /// Frees most blocks. Returns their number.
    fn free_most(&mut self, calls: &mut Calls) -> usize {
        let kept = self.blocks.len() / KEPT;
        let freed = self.blocks.drain(kept..);
        let number = freed.len();
        for (block, layout) in freed {
            // SAFETY: the block is live and is not used any more.
            calls.time(|| unsafe { self.heap.dealloc(block, layout) });
        }
        number
    }

    /// Light work: allocates and frees a block from time to time.
    fn work(&mut self, calls: &mut Calls) -> Result<()> {
        for _ in 0..PAUSES {
            thread::sleep(PAUSE);
            for _ in 0..PAIRS {
                let layout = layout(&mut self.rng);
                // SAFETY: no size is zero.
                let block = calls.time(|| unsafe { self.heap.alloc(layout) });
                ensure!(!block.is_null(), "out of memory");
                // SAFETY: the block is live and is not used any more.
                calls.time(|| unsafe { self.heap.dealloc(block, layout) });
            }
        }
        Ok(())
    }

    fn live(&self) -> usize {
        self.blocks.iter().map(|(_, layout)| layout.size()).sum()
    }
}

fn layout(rng: &mut Rng) -> Layout {
    Layout::from_size_align(SIZES.choose(rng), 8).expect("a small layout")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heaps::System;

    #[test]
    fn what_is_kept_is_told_and_calls_are_timed() {
        let given = give_back::<System>(4 << 20).unwrap();
        assert!((100_000.0..500_000.0).contains(&given.live), "{given:?}");
        assert!(given.free > 0.0 && given.longest >= given.free, "{given:?}");
        assert_eq!(GivenBack::from_record(given.record()).record()[..4], given.record()[..4]);
    }
}
