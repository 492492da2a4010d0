//! The call sites of a trace.

use indexmap::IndexSet;
use std::boxed::Box;

/// The number of a call site of a trace: an index into [`Sites`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub u32);

/// The call stacks of a trace, each once.
#[derive(Debug, Clone, Default)]
pub struct Sites(IndexSet<Box<[u64]>, foldhash::fast::RandomState>);

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
        let index = self.0.get_index_of(frames);
        let index = index.unwrap_or_else(|| self.0.insert_full(frames.into()).0);
        SiteId(u32::try_from(index).expect("fewer than 2^32 call stacks"))
    }

    /// The return addresses of a call site, innermost first.
    ///
    /// # Panics
    ///
    /// If the site is of another trace.
    pub fn frames(&self, site: SiteId) -> &[u64] {
        &self.0[site.0 as usize]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (SiteId, &[u64])> {
        (0..).map(SiteId).zip(self.0.iter().map(AsRef::as_ref))
    }
}
