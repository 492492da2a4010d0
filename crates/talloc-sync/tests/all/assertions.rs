//! Compile-time checks of the traits that types do and do not implement.

use core::cell::Cell;
use core::fmt::Debug;
use std::alloc::GlobalAlloc;

use static_assertions::{assert_impl_all, assert_not_impl_any};
use talloc_sync::lock::Backoff;
use talloc_sync::{Compact, OomHandler, TallocCell, TallocMagazines, Tallock, TallockRef};

// A cell can be sent to another thread if the supply can, but it cannot be shared.
assert_impl_all!(TallocCell<'static>: Send, Debug, Default);
assert_not_impl_any!(TallocCell<'static>: Sync, GlobalAlloc, Copy);
assert_not_impl_any!(&'static TallocCell<'static>: Send, Sync);
assert_impl_all!(TallocCell<'static, Compact, Cell<u8>>: Send);
assert_not_impl_any!(TallocCell<'static, Compact, *const u8>: Send);

// A locked heap can be shared and sent if its source can be sent.
type Locked<S> = Tallock<Backoff, Compact, S>;
assert_impl_all!(Locked<OomHandler<Compact>>: Send, Sync, GlobalAlloc, Debug);
assert_impl_all!(Locked<Cell<u8>>: Send, Sync);
assert_not_impl_any!(Locked<*const u8>: Send, Sync);

// A reference implements the same traits.
type Reference<S> = TallockRef<'static, Backoff, Compact, S>;
assert_impl_all!(Reference<OomHandler<Compact>>: Send, Sync, Copy, Debug);
assert_not_impl_any!(Reference<*const u8>: Send, Sync);

#[cfg(feature = "critical-section")]
mod critical {
    use super::*;
    use talloc_sync::TallocCritical;

    assert_impl_all!(TallocCritical: Send, Sync, GlobalAlloc, Debug);
    assert_not_impl_any!(TallocCritical<Compact, *const u8>: Send, Sync);
}

#[cfg(feature = "spin")]
mod spin {
    use super::*;

    // `Spin` is the default lock.
    const _: fn(Tallock) -> Tallock<talloc_sync::lock::Spin> = |heap| heap;
    assert_impl_all!(talloc_sync::lock::Ticket: lock_api::RawMutex, Send, Sync);
}

/// A reference to a heap is an `Allocator`, and the heap may be a `GlobalAlloc`. No type implements both traits,
/// because the standard library may add a blanket implementation of `GlobalAlloc` for every `Allocator`.
macro_rules! assert_allocators {
    ($($heap:ty),*) => {$(
        assert_impl_all!(&'static $heap: Allocator);
        assert_not_impl_any!(&'static $heap: GlobalAlloc);
        assert_not_impl_any!($heap: Allocator);
    )*};
}

macro_rules! allocators {
    ($($feature:literal: $($api:ident)::+),*) => {$(
        #[cfg(feature = $feature)]
        const _: () = {
            use $($api)::+::Allocator;

            assert_allocators!(Locked<OomHandler<Compact>>, TallocCell<'static>, TallocMagazines<Backoff>);
            #[cfg(feature = "critical-section")]
            assert_allocators!(talloc_sync::TallocCritical);
            assert_impl_all!(Reference<OomHandler<Compact>>: Allocator);
            assert_not_impl_any!(Reference<OomHandler<Compact>>: GlobalAlloc);
        };
    )*};
}

allocators!(
    "allocator": allocator_api2::alloc,
    "allocator-api2-03": allocator_api2_03::alloc,
    "allocator-api2-04": allocator_api2_04::alloc
);
