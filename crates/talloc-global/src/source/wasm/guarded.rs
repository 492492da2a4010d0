//! Shared access to a heap: without a lock where there is only one thread, behind a lock otherwise.

use talloc_sync::{Config, OwnedTalloc, SharedHeap, Talloc};

use super::WasmSource;

/// A heap that can be used through a shared reference.
///
/// Without the target's feature `atomics`, there is no lock.
///
/// This type is private to the crate: with nested calls of `with`, a program could borrow the heap twice.
#[cfg(not(target_feature = "atomics"))]
pub struct Guarded<T>(core::cell::UnsafeCell<T>);

#[cfg(target_feature = "atomics")]
pub struct Guarded<T>(lock_api::Mutex<talloc_sync::lock::Backoff, T>);

// SAFETY: Without the target's feature `atomics`, only one thread uses the module's memory: linkers refuse to share the
// memory of modules that were compiled without it. WebAssembly has no interrupts.
#[cfg(not(target_feature = "atomics"))]
unsafe impl<T> Sync for Guarded<T> {}

#[cfg(not(target_feature = "atomics"))]
impl<T> Guarded<T> {
    pub(super) const fn new(heap: T) -> Self {
        Self(core::cell::UnsafeCell::new(heap))
    }

    /// Calls `f` with the heap. `f` must not call this function again.
    #[inline(always)]
    pub(super) fn lend<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: This is the only reference to the heap: there is one thread, and no `f` of this crate calls `lend`
        // again.
        f(unsafe { &mut *self.0.get() })
    }
}

#[cfg(target_feature = "atomics")]
impl<T> Guarded<T> {
    pub(super) const fn new(heap: T) -> Self {
        let lock = <talloc_sync::lock::Backoff as lock_api::RawMutex>::INIT;
        Self(lock_api::Mutex::from_raw(lock, heap))
    }

    /// Calls `f` with the heap. `f` must not call this function again.
    #[inline(always)]
    pub(super) fn lend<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock())
    }
}

// SAFETY: `with` always lends the same heap, and to one caller at a time, as `lend` explains. The provided methods are
// not overridden.
unsafe impl<C: Config> SharedHeap for Guarded<OwnedTalloc<C, WasmSource>> {
    type Config = C;
    type Source = WasmSource;

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut Talloc<C, WasmSource>) -> R) -> R {
        // Only `talloc_core::shared` and this crate pass functions here. None of these functions, nor the source, calls
        // `lend` again.
        self.lend(|heap| f(heap))
    }
}
