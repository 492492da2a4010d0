//! The workloads of threads.

use super::{churn, hand_off, random, starts};
use crate::sizes::Sizes;
use cpu_time::ProcessTime;
use std::{
    alloc::{GlobalAlloc, Layout},
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// Each thread allocates and frees at random, among a thousand blocks of its own.
    Random,
    /// Each thread allocates blocks that the next thread frees.
    HandOff,
    /// Larson's server: each thread replaces blocks of a set at random, and then continues with another thread's set.
    Churn,
    /// Threads start and end: each thread lives for a few calls, and leaves its blocks to the next.
    Starts,
}

impl Work {
    /// Every workload.
    pub const ALL: [Self; 4] = [Self::Random, Self::HandOff, Self::Churn, Self::Starts];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::HandOff => "hand-off",
            Self::Churn => "churn",
            Self::Starts => "starts",
        }
    }

    /// The title of its tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Random => "Random actions",
            Self::HandOff => "Hand-off from thread to thread",
            Self::Churn => "Larson's server",
            Self::Starts => "Threads that start and end",
        }
    }
}

/// The cost of a run.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Wall-clock time from the start of the first thread to the end of the last.
    pub wall: Duration,
    /// Processor time of all threads. On a busy machine, it is more reliable than wall-clock time.
    pub processors: Duration,
}

/// The amount of work, and the number of threads.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub work: Work,
    pub threads: usize,
    /// Calls of the heap by all threads together, divided about equally.
    pub calls: usize,
    /// The sizes of blocks.
    pub sizes: Sizes,
}

impl Load {
    /// Lets the threads work on a heap.
    pub fn run<H: GlobalAlloc + Sync>(&self, heap: &H) -> Cost {
        match self.work {
            Work::Random => random::run(self, heap),
            Work::HandOff => hand_off::run(self, heap),
            Work::Churn => churn::run(self, heap),
            Work::Starts => starts::run(self, heap),
        }
    }

    /// Starts a thread for each of `parts`, all at once.
    pub fn start<T: Send>(&self, parts: Vec<T>, work: impl Fn(usize, T) + Sync) -> Cost {
        assert_eq!(parts.len(), self.threads);
        let barrier = Barrier::new(self.threads + 1);
        let (barrier, work) = (&barrier, &work);
        thread::scope(|scope| {
            let threads: Vec<_> = parts
                .into_iter()
                .enumerate()
                .map(|(number, part)| {
                    scope.spawn(move || {
                        barrier.wait();
                        let begin = Instant::now();
                        work(number, part);
                        (begin, Instant::now())
                    })
                })
                .collect();
            let processors = ProcessTime::now();
            barrier.wait();
            let times: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().expect("no thread panics"))
                .collect();
            let begin = times.iter().map(|(begin, _)| *begin).min();
            let end = times.iter().map(|(_, end)| *end).max();
            let wall = end.zip(begin).map_or(Duration::ZERO, |(end, begin)| end - begin);
            Cost { wall, processors: processors.elapsed() }
        })
    }

    /// A random size.
    pub fn size(&self, random: &mut fastrand::Rng) -> usize {
        self.sizes.choose(random)
    }
}

/// The smallest page of any machine these are run on.
const PAGE: usize = 4096;

/// An allocated block. It has a tag at both ends and in each page, so that all of it is resident.
pub struct Block {
    ptr: *mut u8,
    size: u32,
    tag: u8,
}

// SAFETY: The value owns its block.
unsafe impl Send for Block {}

impl Block {
    /// Allocates a block.
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub fn new<H: GlobalAlloc>(heap: &H, size: usize, tag: u8) -> Self {
        // SAFETY: The size is not zero.
        let ptr = unsafe { heap.alloc(layout(size)) };
        assert!(!ptr.is_null(), "the heap is full");
        for byte in (PAGE..size).step_by(PAGE) {
            // SAFETY: The byte lies in the block.
            unsafe { ptr.add(byte).write(tag) };
        }
        // SAFETY: The block has as many bytes.
        unsafe {
            ptr.write(tag);
            ptr.add(size - 1).write(tag);
        }
        Self { ptr, size: size as u32, tag }
    }

    /// Frees the block.
    ///
    /// # Panics
    /// If the tags have changed.
    #[inline]
    pub fn free<H: GlobalAlloc>(self, heap: &H) {
        let size = self.size as usize;
        // SAFETY: These bytes lie in the block and have been written. Nobody uses the block any more.
        unsafe {
            assert!(self.ptr.read() == self.tag && self.ptr.add(size - 1).read() == self.tag);
            heap.dealloc(self.ptr, layout(size));
        }
    }
}

/// The layout of a block. Its alignment is 8, like that of most blocks.
#[inline]
fn layout(size: usize) -> Layout {
    // SAFETY: The alignment is a power of two, and the size small.
    unsafe { Layout::from_size_align_unchecked(size, 8) }
}
