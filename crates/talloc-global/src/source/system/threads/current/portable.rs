//! A thread-local of the standard library.

use core::cell::Cell;

use talloc_sync::threads::Shard;

use super::super::{HEAPS, System};

extern crate std;

std::thread_local! {
    // It has no destructor, as to register one may allocate.
    static CURRENT: Cell<*const Shard<System>> = const { Cell::new(HEAPS.nobody()) };
}

#[inline(always)]
pub(in super::super) fn get() -> *const Shard<System> {
    CURRENT.get()
}

#[inline(always)]
pub(in super::super) fn set(shard: *const Shard<System>) {
    CURRENT.set(shard);
}
