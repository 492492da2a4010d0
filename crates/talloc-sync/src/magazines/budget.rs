//! The budget of cached memory.

use core::sync::atomic::Ordering::Relaxed;

use talloc_core::{Config, Source, Talloc};

use super::depot::Depot;
use crate::lock::machine::AtomicUsize;

/// At most one `SHARE`th of the arenas may be cached.
const SHARE: usize = 16;

/// The most bytes that a slot's magazines may hold. Each slot also adds as many bytes to the limit of the depot, if the
/// arenas are large enough.
pub(super) const SLOT_BYTES: usize = 64 << 10;

/// The bytes that the magazines of all slots may hold. Only the thread that has the heap writes it.
///
/// One half of the cached memory is for the slots, and the other half for the depot.
pub(super) struct Budget {
    reserved: AtomicUsize,
    limit: AtomicUsize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { reserved: AtomicUsize::new(0), limit: AtomicUsize::new(0) }
    }

    /// Sets the limits of cached memory from the current size of the heap.
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

    /// Lets a slot's magazines, which may hold `slot` bytes, hold `bytes` more. Returns whether the budget allows it.
    pub(super) fn reserve(&self, slot: usize, bytes: usize) -> bool {
        let reserved = self.reserved.load(Relaxed) + bytes;
        let granted = slot + bytes <= SLOT_BYTES && reserved <= self.limit.load(Relaxed);
        if granted {
            self.reserved.store(reserved, Relaxed);
        }
        granted
    }

    /// Returns `bytes` of a slot's limit to the budget.
    pub(super) fn give_back(&self, bytes: usize) {
        self.reserved.store(self.reserved.load(Relaxed) - bytes, Relaxed);
    }
}
