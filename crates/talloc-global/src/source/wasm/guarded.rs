//! What a heap is behind: nothing where there is one thread, a lock where there are several.

use talloc_sync::{Config, OwnedTalloc, SharedHeap, Talloc};

use super::WasmSource;

/// A heap that is reached through a shared reference.
///
/// Without the target's feature `atomics`, there is no lock.
///
/// It never leaves this crate, as `with` would let the program have the heap twice.
#[cfg(not(target_feature = "atomics"))]
pub struct Guarded<T>(core::cell::UnsafeCell<T>);

#[cfg(target_feature = "atomics")]
pub struct Guarded<T>(lock_api::Mutex<talloc_sync::lock::Backoff, T>);

// SAFETY: Without the target's feature `atomics`, a module cannot share its memory with another
// thread, for which linkers refuse what was compiled without it; nor is it interrupted.
#[cfg(not(target_feature = "atomics"))]
unsafe impl<T> Sync for Guarded<T> {}

#[cfg(not(target_feature = "atomics"))]
impl<T> Guarded<T> {
    pub(super) const fn new(heap: T) -> Self {
        Self(core::cell::UnsafeCell::new(heap))
    }

    /// Calls `f` with the heap. `f` calls nothing that could come back here.
    #[inline(always)]
    pub(super) fn lend<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: It is the only reference to the heap: there is one thread, and nothing that is passed
        // here calls what could come back.
        f(unsafe { &mut *self.0.get() })
    }
}

#[cfg(target_feature = "atomics")]
impl<T> Guarded<T> {
    pub(super) const fn new(heap: T) -> Self {
        let lock = <talloc_sync::lock::Backoff as lock_api::RawMutex>::INIT;
        Self(lock_api::Mutex::from_raw(lock, heap))
    }

    /// Calls `f` with the heap. `f` calls nothing that could come back here.
    #[inline(always)]
    pub(super) fn lend<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock())
    }
}

// SAFETY: It is one heap, and one caller has it at a time, as `lend` explains. The provided methods are kept.
unsafe impl<C: Config> SharedHeap for Guarded<OwnedTalloc<C, WasmSource>> {
    type Config = C;
    type Source = WasmSource;

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut Talloc<C, WasmSource>) -> R) -> R {
        // None of the functions that are passed here, by `talloc_core::shared` and this crate, calls what
        // could come back; nor does the source.
        self.lend(|heap| f(heap))
    }
}
