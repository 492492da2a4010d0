//! Scripts of threads, decoded from bytes.

use crate::minimise::Shorten;
use crate::ops::Pick;
use crate::ops::cursor::Cursor;

/// The largest number of threads.
pub const THREADS: usize = 4;

/// The setup of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    pub threads: usize,
    /// The number of slices.
    pub slices: usize,
    /// Whether purged memory is zero, and the heaps know it.
    pub gives_zeros: bool,
    /// Whether the system has a barrier, without which threads cannot read other heaps.
    pub has_barrier: bool,
}

impl Setup {
    fn decode(cursor: &mut Cursor) -> Self {
        let (first, second) = (cursor.byte(), cursor.byte());
        Self {
            threads: 1 + first % THREADS,
            slices: [2, 8, 30, 60][first / 4 % 4],
            gives_zeros: second % 2 == 0,
            has_barrier: second / 2 % 4 != 0,
        }
    }
}

/// An operation of a thread. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Allocate {
        size: usize,
        align: usize,
        zeroed: bool,
    },
    /// Allocates several blocks of one size.
    AllocateMany {
        size: usize,
        blocks: usize,
    },
    Deallocate {
        pick: Pick,
    },
    /// Frees `blocks` blocks, each selected anew.
    DeallocateMany {
        pick: Pick,
        blocks: usize,
    },
    Resize {
        pick: Pick,
        size: usize,
    },
    /// Lets time pass.
    Wait {
        milliseconds: u64,
    },
    Trim,
    /// Ends the thread. A new one takes its turns.
    Leave,
    /// From now on, every `period`-th request for memory fails, or none if it is zero.
    Refuse {
        period: usize,
    },
    /// Continues as the child of a fork.
    Fork,
}

/// A turn of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub thread: usize,
    pub op: Op,
}

/// A setup and a list of turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub setup: Setup,
    pub steps: Vec<Step>,
}

impl Script {
    /// Decodes a setup and steps from arbitrary bytes.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut cursor = Cursor::new(bytes);
        let setup = Setup::decode(&mut cursor);
        let mut steps = Vec::new();
        while !cursor.is_empty() {
            steps.push(Step::decode(&setup, &mut cursor));
        }
        Self { setup, steps }
    }

    /// Returns about `len` random steps.
    pub fn random(seed: u64, len: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(6 * len).collect();
        let mut script = Self::decode(&bytes);
        script.steps.truncate(len);
        script
    }
}

impl Step {
    fn decode(setup: &Setup, cursor: &mut Cursor) -> Self {
        let (code, how) = (cursor.byte(), cursor.byte());
        let thread = how % setup.threads;
        let pick = |cursor: &mut Cursor| Pick(cursor.byte() as u8);
        let op = match code {
            0..=79 => {
                let (size, align) = (cursor.size().max(1), cursor.align());
                Op::Allocate { size, align, zeroed: how & 0x20 != 0 }
            }
            80..=99 => Op::AllocateMany { size: cursor.size().max(1), blocks: 1 + cursor.byte() },
            100..=159 => Op::Deallocate { pick: pick(cursor) },
            160..=189 => Op::DeallocateMany { pick: pick(cursor), blocks: 1 + cursor.byte() },
            190..=229 => Op::Resize { pick: pick(cursor), size: cursor.size().max(1) },
            230..=235 => Op::Wait { milliseconds: cursor.byte() as u64 },
            236..=240 => Op::Trim,
            241..=248 => Op::Leave,
            249..=253 => Op::Refuse { period: cursor.byte() % 8 },
            _ => Op::Fork,
        };
        Self { thread, op }
    }
}

impl Shorten for Script {
    fn count(&self) -> usize {
        self.steps.len()
    }

    fn without(&self, start: usize, count: usize) -> Self {
        let mut short = self.clone();
        short.steps.drain(start..(start + count).min(self.steps.len()));
        short
    }
}
