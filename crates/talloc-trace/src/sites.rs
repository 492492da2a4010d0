//! The call sites of a trace.

use indexmap::IndexSet;
use std::boxed::Box;

/// The number of a call site of a trace: an index into [`Sites`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

/// The call stacks of a trace, each once.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    stacks: IndexSet<Box<[u64]>, foldhash::fast::RandomState>,
    words: usize,
}

impl Sites {
    /// No call stacks.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the call stack `frames`, which is added if it is not there.
    ///
    /// # Panics
    ///
    /// If there are 2^32 call stacks.
    pub fn intern(&mut self, frames: &[u64]) -> SiteId {
        let index = self.stacks.get_index_of(frames).unwrap_or_else(|| {
            self.words += frames.len() + 1;
            self.stacks.insert_full(frames.into()).0
        });
        SiteId(u32::try_from(index).expect("fewer than 2^32 call stacks"))
    }

    /// The return addresses of a call site, innermost first.
    ///
    /// # Panics
    ///
    /// If the site is of another trace.
    pub fn frames(&self, site: SiteId) -> &[u64] {
        &self.stacks[site.0 as usize]
    }

    /// How many frames there are, and one for each call stack.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.stacks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty()
    }

    /// All of them, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (SiteId, &[u64])> {
        (0..).map(SiteId).zip(self.stacks.iter().map(AsRef::as_ref))
    }
}
