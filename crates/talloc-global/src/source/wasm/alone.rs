//! The heap where there is one thread.

use core::cell::UnsafeCell;

use talloc_sync::{Config, OwnedTalloc, SharedHeap, Talloc};

use super::WasmSource;

/// A heap that the only thread reaches without a lock.
///
/// It never leaves this crate, as `with` would let the program have the heap twice.
pub(super) struct Alone<C: Config>(UnsafeCell<OwnedTalloc<C, WasmSource>>);

// SAFETY: Without the target's feature `atomics`, a module cannot share its memory with another
// thread, for which linkers refuse what was compiled without it; nor is it interrupted.
unsafe impl<C: Config> Sync for Alone<C> {}

impl<C: Config> Alone<C> {
    pub(super) const fn new(heap: OwnedTalloc<C, WasmSource>) -> Self {
        Self(UnsafeCell::new(heap))
    }
}

// SAFETY: It is one heap, and one caller has it at a time, as `with` explains.
unsafe impl<C: Config> SharedHeap for Alone<C> {
    type Config = C;
    type Source = WasmSource;

    #[inline(always)]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, WasmSource>) -> T) -> T {
        // SAFETY: It is the only reference to the heap: there is one thread, and none of the functions
        // that are passed here, by `WasmTalloc` and by `talloc_core::shared`, calls what could come
        // back; nor does the source.
        f(unsafe { &mut *self.0.get() })
    }
}
