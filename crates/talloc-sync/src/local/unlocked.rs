//! The heap that only one thread can reach.

use core::cell::UnsafeCell;

use talloc_core::{Config, OomHandler, OwnedTalloc, SharedHeap, Talloc};

/// A heap without a source that only one thread can reach.
///
/// It never leaves this crate, as `with` would let the program have the heap twice.
pub(crate) struct Unlocked<C: Config>(UnsafeCell<OwnedTalloc<C>>);

impl<C: Config> Unlocked<C> {
    /// A heap without memory.
    pub(super) const fn empty() -> Self {
        Self(UnsafeCell::new(Talloc::with_config()))
    }
}

// SAFETY: It is one heap, and one caller has it at a time, as `with` explains.
unsafe impl<C: Config> SharedHeap for Unlocked<C> {
    type Config = C;
    type Source = OomHandler<C>;

    #[inline(always)]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C>) -> T) -> T {
        // SAFETY: It is the only reference to the heap. This thread has no other one, because none
        // of the functions that are passed here, by `TallocCell` and by `talloc_core::shared`,
        // calls what could come back. Other threads have none, because `UnsafeCell` is not `Sync`.
        f(unsafe { &mut *self.0.get() })
    }
}
