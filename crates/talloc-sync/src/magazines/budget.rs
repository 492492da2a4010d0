//! How much may be cached.

use core::sync::atomic::Ordering::Relaxed;

use talloc_core::{Config, Source, Talloc};

use super::depot::Depot;
use crate::lock::machine::AtomicUsize;

/// The part of the arenas that may be cached is one in as many.
const SHARE: usize = 16;

/// The most that a slot's magazines may hold, and what each slot adds to what the depot may, if the
/// arenas are large enough.
pub(super) const SLOT_BYTES: usize = 64 << 10;

/// What the magazines of all slots may hold, in bytes. It is written by who has the heap.
///
/// One half of what may be cached is for the slots, the other one for the depot.
pub(super) struct Budget {
    reserved: AtomicUsize,
    limit: AtomicUsize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { reserved: AtomicUsize::new(0), limit: AtomicUsize::new(0) }
    }

    /// Bounds what may be cached by what the heap has now.
    pub(super) fn refresh<C: Config, S: Source<C>>(
        &self,
        heap: &Talloc<C, S>,
        slots: usize,
        depot: &Depot,
    ) {
        let limit = (heap.inspect().cacheable() / SHARE).min(slots * SLOT_BYTES) / 2;
        self.limit.store(limit, Relaxed);
        depot.set_limit(limit);
    }

    /// Lets a slot's magazines, which may hold `slot` bytes, hold as many more. Returns whether they
    /// may.
    pub(super) fn reserve(&self, slot: usize, bytes: usize) -> bool {
        let reserved = self.reserved.load(Relaxed) + bytes;
        let granted = slot + bytes <= SLOT_BYTES && reserved <= self.limit.load(Relaxed);
        if granted {
            self.reserved.store(reserved, Relaxed);
        }
        granted
    }

    /// Takes back what a slot's magazines might hold.
    pub(super) fn give_back(&self, bytes: usize) {
        self.reserved.store(self.reserved.load(Relaxed) - bytes, Relaxed);
    }
}
