//! The fuzz targets, which decode a fuzzer's bytes.

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
    /// Scripts of logical threads with a heap each.
    Shards,
    /// Allocation traces, from arbitrary bytes.
    Trace,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 7] = [
        Self::Heap(Mix::Heap),
        Self::Heap(Mix::Arenas),
        Self::Heap(Mix::Realloc),
        Self::Heap(Mix::Sources),
        Self::Sync,
        Self::Shards,
        Self::Trace,
    ];

    /// Returns the name of the target, its binary and its folder in the corpus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap(mix) => mix.name(),
            Self::Sync => "sync",
            Self::Shards => "shards",
            Self::Trace => "trace",
        }
    }

    /// Returns the target with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// Runs the script decoded from the bytes. Returns the number of calls of the heap.
    pub fn run(self, bytes: &[u8]) -> Result<usize, Box<Failure>> {
        match self {
            Self::Heap(mix) => run::run(&Script::decode(mix, bytes)),
            Self::Sync => sync::run(&sync::Script::decode(bytes)),
            Self::Shards => shards::run(&shards::Script::decode(bytes)),
            Self::Trace => recorded::run(bytes),
        }
    }

    /// Runs the script, and finds a shorter one if it fails.
    pub fn check(self, bytes: &[u8]) -> Result<usize, Box<Failure>> {
        match self {
            Self::Heap(mix) => run::check(&Script::decode(mix, bytes)),
            Self::Sync => sync::check(&sync::Script::decode(bytes)),
            Self::Shards => shards::check(&shards::Script::decode(bytes)),
            Self::Trace => recorded::run(bytes),
        }
    }

    /// Runs the input of a fuzzer's binary.
    ///
    /// # Panics
    ///
    /// If the heap or the reader of traces fails.
    pub fn fuzz(self, bytes: &[u8]) {
        if let Err(failure) = self.run(bytes) {
            panic!("{failure}");
        }
    }
}
