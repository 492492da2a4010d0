//! A heap without a lock.

use core::cell::UnsafeCell;

use talloc_core::{Config, OomHandler, OwnedTalloc, SharedHeap, Talloc};

/// A heap without a source that only one thread can reach.
///
/// This type is private to the crate: with nested calls of `with`, a program could borrow the heap twice.
pub(crate) struct Unlocked<C: Config>(UnsafeCell<OwnedTalloc<C>>);

impl<C: Config> Unlocked<C> {
    /// Makes a heap without memory.
    pub(super) const fn empty() -> Self {
        Self(UnsafeCell::new(Talloc::with_config()))
    }
}

// SAFETY: `with` always lends the same heap, and to one caller at a time, as it explains.
unsafe impl<C: Config> SharedHeap for Unlocked<C> {
    type Config = C;
    type Source = OomHandler<C>;

    #[inline(always)]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C>) -> T) -> T {
        // SAFETY: This is the only reference to the heap. This thread has no other reference, because only `TallocCell` and
        // `talloc_core::shared` pass functions here, and none of these functions calls `with` again. Other threads have
        // none, because `UnsafeCell` is not `Sync`.
        f(unsafe { &mut *self.0.get() })
    }
}
