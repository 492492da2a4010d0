//! The fuzz targets: what reads a fuzzer's bytes.

use crate::ops::{Mix, Script};
use crate::recorded;
use crate::run::{self, Failure};
use crate::{shards, sync};

/// A fuzz target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Scripts for one heap, with one mix of operations.
    Heap(Mix),
    /// Scripts of several logical threads that share a heap.
    Sync,
    /// Scripts of logical threads that have a heap each.
    Shards,
    /// Allocation traces, from any bytes.
    Trace,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 7] = [
        Self::Heap(Mix::Heap),
        Self::Heap(Mix::Arenas),
        Self::Heap(Mix::Realloc),
        Self::Heap(Mix::Sources),
        Self::Sync,
        Self::Shards,
        Self::Trace,
    ];

    /// The name of the target, of its binary and of its folder in the corpus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap(mix) => mix.name(),
            Self::Sync => "sync",
            Self::Shards => "shards",
            Self::Trace => "trace",
        }
    }

    /// The target of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// Runs the script that the bytes are; gives how many calls of the heap it made.
    pub fn run(self, bytes: &[u8]) -> Result<usize, Box<Failure>> {
        match self {
            Self::Heap(mix) => run::run(&Script::decode(mix, bytes)),
            Self::Sync => sync::run(&sync::Script::decode(bytes)),
            Self::Shards => shards::run(&shards::Script::decode(bytes)),
            Self::Trace => recorded::run(bytes),
        }
    }

    /// [`run`](Self::run), and finds a shorter script if that fails.
    pub fn check(self, bytes: &[u8]) -> Result<usize, Box<Failure>> {
        match self {
            Self::Heap(mix) => run::check(&Script::decode(mix, bytes)),
            Self::Sync => sync::check(&sync::Script::decode(bytes)),
            Self::Shards => shards::check(&shards::Script::decode(bytes)),
            Self::Trace => recorded::run(bytes),
        }
    }

    /// What the fuzzer's binary does with its input.
    ///
    /// # Panics
    ///
    /// If the heap, or the reader of traces, does anything wrong.
    pub fn fuzz(self, bytes: &[u8]) {
        if let Err(failure) = self.run(bytes) {
            panic!("{failure}");
        }
    }
}
