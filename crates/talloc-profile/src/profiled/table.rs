//! The sampled blocks and their call stacks, in memory of the system's.

use crate::profile::Counts;
use crate::tally::{SiteTally, Tally};
use allocator_api2::alloc::Allocator;
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use hashbrown::HashMap;
use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{self, NonNull};
use std::time::Instant;

/// The system's allocator, for tables that must not come from the one that is measured.
#[derive(Clone, Copy)]
pub struct System;

// SAFETY: It is `std::alloc::System`, which is as valid wherever it is moved, but for empty blocks, which need none.
unsafe impl Allocator for System {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, allocator_api2::alloc::AllocError> {
        let block = if layout.size() == 0 {
            ptr::without_provenance_mut(layout.align())
        } else {
            // SAFETY: The size is not zero.
            unsafe { std::alloc::System.alloc(layout) }
        };
        let block = NonNull::new(block).ok_or(allocator_api2::alloc::AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: The block is from `allocate`, with this layout.
            unsafe { std::alloc::System.dealloc(ptr.as_ptr(), layout) }
        }
    }
}

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState, System>;
type Stack = Box<[u64], System>;

/// A sampled block.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    site: usize,
    /// What it stands for.
    counts: Counts,
    /// When it was allocated, in microseconds.
    time: u64,
}

/// All samples.
pub struct Table {
    origin: Instant,
    live: Map<usize, Sample>,
    numbers: Map<Stack, usize>,
    sites: Vec<SiteTally, System>,
    tally: Tally,
    interval: usize,
}

/// What a table says, without its lock.
pub struct Copy {
    pub sites: Vec<(Stack, SiteTally), System>,
    pub tally: Tally,
    pub interval: usize,
    /// In microseconds.
    pub end: u64,
}

impl Table {
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            live: Map::with_hasher_in(foldhash::fast::RandomState::default(), System),
            numbers: Map::with_hasher_in(foldhash::fast::RandomState::default(), System),
            sites: Vec::new_in(System),
            tally: Tally::new(),
            interval: 0,
        }
    }

    /// How many sampled blocks are live.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    pub fn insert(&mut self, address: usize, size: usize, interval: usize, stack: &[u64]) {
        let site = self.site(stack);
        let time = self.time();
        let counts = stands_for(size, interval);
        self.interval = interval;
        self.tally.alloc(&mut self.sites[site], counts, time);
        self.live.insert(address, Sample { site, counts, time });
    }

    pub fn remove(&mut self, address: usize) -> Option<Sample> {
        let sample = self.live.remove(&address)?;
        let lifetime = (self.time() - sample.time) as f64 * sample.counts.blocks;
        self.tally.free(&mut self.sites[sample.site], sample.counts, lifetime);
        Some(sample)
    }

    /// Undoes [`remove`](Self::remove), as far as what is live is concerned.
    pub fn restore(&mut self, address: usize, sample: Sample) {
        let site = &mut self.sites[sample.site];
        self.tally.alloc(site, sample.counts, sample.time);
        site.total -= sample.counts;
        self.live.insert(address, sample);
    }

    pub fn copy(&self) -> Copy {
        let mut sites = Vec::with_capacity_in(self.sites.len(), System);
        for (stack, number) in &self.numbers {
            sites.push((stack.clone(), self.sites[*number]));
        }
        Copy { sites, tally: self.tally, interval: self.interval, end: self.time() }
    }

    fn site(&mut self, stack: &[u64]) -> usize {
        if let Some(number) = self.numbers.get(stack) {
            return *number;
        }
        let number = self.sites.len();
        self.sites.push(SiteTally::default());
        let mut copy = Vec::with_capacity_in(stack.len(), System);
        copy.extend_from_slice(stack);
        self.numbers.insert(copy.into_boxed_slice(), number);
        number
    }

    fn time(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// What a sampled block stands for: the inverse of the probability that it is sampled.
fn stands_for(size: usize, interval: usize) -> Counts {
    let size = size as f64;
    let probability = if interval == 1 { 1.0 } else { -(-size / interval as f64).exp_m1() };
    Counts { blocks: 1.0 / probability, bytes: size / probability }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_blocks_stand_for_many_and_large_ones_for_themselves() {
        let small = stands_for(512, 512 << 10);
        assert!((small.blocks - 1024.5).abs() < 0.1, "{small:?}");
        assert!((stands_for(64 << 20, 512 << 10).blocks - 1.0).abs() < 1e-9);
        assert_eq!(stands_for(8, 1), Counts::block(8));
    }

    #[test]
    fn a_block_that_comes_back_is_live_as_before() {
        let mut table = Table::new();
        table.insert(64, 100, 1, &[1, 2]);
        table.insert(128, 50, 1, &[1, 2]);
        let sample = table.remove(64).unwrap();
        table.restore(64, sample);
        assert!(table.remove(192).is_none());
        let copy = table.copy();
        let [(stack, tally)] = &copy.sites[..] else { panic!() };
        assert_eq!(
            (&stack[..], tally.total, tally.live),
            (
                &[1, 2][..],
                Counts { blocks: 2.0, bytes: 150.0 },
                Counts { blocks: 2.0, bytes: 150.0 }
            )
        );
    }
}
