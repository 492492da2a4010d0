//! Scripts of threads, decoded from bytes.

use crate::minimise::Shorten;
use crate::ops::cursor::Cursor;
use crate::ops::{Pick, Profile};

/// How the heap is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Behind a spin lock. Calls are not interrupted.
    Spin,
    /// Behind [`super::Turns`]. Other threads may run each time the lock is released.
    Turns,
    /// Behind such a lock, with magazines. Other threads may run while a slot is in use.
    Magazines,
    /// In a cell, whose supply lets other threads run.
    Cell,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Spin, Self::Turns, Self::Magazines, Self::Cell];
}

/// The setup of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    pub profile: Profile,
    pub form: Form,
    /// The size of the first arena in bytes.
    pub size: usize,
    /// The offset of the first arena from an aligned address, in bytes.
    pub skew: usize,
    /// The number of arenas that can be added.
    pub further: usize,
    /// Whether the arenas are initially zero. The heap is told so if possible.
    pub zeroed: bool,
    pub threads: usize,
}

impl Setup {
    /// The sizes of the first arena, in bytes.
    pub const SIZES: [usize; 4] = [200, 1 << 10, 4 << 10, 32 << 10];

    /// Decodes three bytes.
    fn decode(cursor: &mut Cursor) -> Self {
        let (first, second, third) = (cursor.byte(), cursor.byte(), cursor.byte());
        Self {
            profile: Profile::decode(first),
            // `Turns` comes first, because it is the most interesting form.
            form: [Form::Turns, Form::Cell, Form::Magazines, Form::Spin][first / 4 % 4],
            threads: 1 + first / 16 % 4,
            size: Self::SIZES[second % 4] + second / 4,
            skew: third % 16,
            further: third / 16 % 4,
            zeroed: third / 64 % 2 == 1,
        }
    }
}

/// An operation of a thread. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Allocate { size: usize, align: usize, zeroed: bool },
    Deallocate { pick: Pick },
    Grow { pick: Pick, more: usize, align: Option<usize>, zeroed: bool },
    Shrink { pick: Pick, less: usize, align: Option<usize> },
    Claim,
    Flush,
}

/// A turn of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The thread of this turn. If a call of that thread is interrupted, the next thread takes the turn.
    pub thread: usize,
    /// Whether other threads run at each interruption point, from the lowest bit on.
    pub turns: u8,
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
        Self::read(setup, cursor)
    }

    /// Returns about `len` random steps for a setup.
    pub fn random(setup: Setup, seed: u64, len: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5 * len).collect();
        let mut script = Self::read(setup, Cursor::new(&bytes));
        script.steps.truncate(len);
        script
    }

    fn read(setup: Setup, mut cursor: Cursor) -> Self {
        let mut steps = Vec::new();
        while !cursor.is_empty() {
            steps.push(Step::decode(&setup, &mut cursor));
        }
        Self { setup, steps }
    }
}

impl Step {
    fn decode(setup: &Setup, cursor: &mut Cursor) -> Self {
        let (code, how) = (cursor.byte(), cursor.byte());
        let thread = how % 4 % setup.threads;
        let (turns, zeroed, realign) = ((how >> 2 & 7) as u8, how & 0x20 != 0, how & 0xc0 == 0xc0);
        let pick = |cursor: &mut Cursor| Pick(cursor.byte() as u8);
        let op = match code {
            0..=91 => Op::Allocate { size: cursor.size(), align: cursor.align(), zeroed },
            92..=167 => Op::Deallocate { pick: pick(cursor) },
            168..=207 => {
                let (pick, more) = (pick(cursor), cursor.size());
                Op::Grow { pick, more, align: realign.then(|| cursor.align()), zeroed }
            }
            208..=243 => {
                let (pick, less) = (pick(cursor), cursor.size());
                Op::Shrink { pick, less, align: realign.then(|| cursor.align()) }
            }
            244..=249 => Op::Claim,
            _ => Op::Flush,
        };
        Self { thread, turns, op }
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
