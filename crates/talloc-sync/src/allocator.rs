//! `Allocator`, in every version that is switched on.
//!
//! The versions are one trait under several paths. It is implemented here, once, for whatever is a
//! [`Handle`](crate::handle::Handle); what it does is in [`talloc_core::shared`].

/// Implements one version of `Allocator` for one handle.
macro_rules! allocator {
    (impl[$($generics:tt)*] $($api:ident)::+ for $handle:ty) => {
        // SAFETY: A block is the heap's until it is freed, wherever the handle and its copies are:
        // it refers to the heap, which is borrowed for as long and keeps what blocks lie in. Every
        // method does what the heap's function of the same name does, whose contract is that of
        // this trait.
        unsafe impl<$($generics)*> $($api)::+::Allocator for $handle {
            #[inline]
            fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, $($api)::+::AllocError> {
                self.try_with(layout, |heap| shared::allocate(heap, layout))
                    .map_err(|_| $($api)::+::AllocError)
            }

            #[inline]
            fn allocate_zeroed(
                &self,
                layout: Layout,
            ) -> Result<NonNull<[u8]>, $($api)::+::AllocError> {
                self.try_with(layout, |heap| shared::allocate_zeroed(heap, layout))
                    .map_err(|_| $($api)::+::AllocError)
            }

            #[inline]
            #[track_caller]
            unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
                // SAFETY: The caller gives up a block of this heap, or one of no size.
                unsafe { shared::deallocate(self.heap(), ptr, layout) }
            }

            #[inline]
            unsafe fn grow(
                &self,
                ptr: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, $($api)::+::AllocError> {
                // SAFETY: The caller's block is as `old` says, and `new` is at least as large.
                self.try_with(new, |heap| unsafe { shared::grow(heap, ptr, old, new) })
                    .map_err(|_| $($api)::+::AllocError)
            }

            #[inline]
            unsafe fn grow_zeroed(
                &self,
                ptr: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, $($api)::+::AllocError> {
                // SAFETY: As for `grow`.
                self.try_with(new, |heap| unsafe { shared::grow_zeroed(heap, ptr, old, new) })
                    .map_err(|_| $($api)::+::AllocError)
            }

            #[inline]
            unsafe fn shrink(
                &self,
                ptr: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, $($api)::+::AllocError> {
                // SAFETY: The caller's block is as `old` says, and `new` is at most as large.
                self.try_with(new, |heap| unsafe { shared::shrink(heap, ptr, old, new) })
                    .map_err(|_| $($api)::+::AllocError)
            }
        }
    };
}

/// Implements one version of `Allocator` for every handle.
macro_rules! version {
    ($feature:literal, $module:ident, $($api:ident)::+) => {
        #[cfg(feature = $feature)]
        mod $module {
            use core::alloc::Layout;
            use core::ptr::NonNull;

            use lock_api::RawMutex;
            use talloc_core::{Config, SharedHeap, Source, shared};

            use crate::handle::Handle;
            use crate::local::{Supply, TallocCell};
            use crate::tallock::TallockRef;

            allocator!(impl[R: RawMutex, C: Config, S: Source<C>]
                $($api)::+ for TallockRef<'_, R, C, S>);
            allocator!(impl[H: SharedHeap] $($api)::+ for crate::InKinds<'_, H>);
            allocator!(impl['mem, C: Config, S: Supply<'mem>]
                $($api)::+ for &TallocCell<'mem, C, S>);
            #[cfg(target_has_atomic = "ptr")]
            allocator!(impl[R: RawMutex, C: Config, S: Source<C>, W: crate::Caller, const N: usize]
                $($api)::+ for &crate::TallocMagazines<R, C, S, W, N>);
            #[cfg(feature = "critical-section")]
            allocator!(impl[C: Config, S: Source<C>]
                $($api)::+ for &crate::TallocCritical<C, S>);
        }
    };
}

version!("allocator", api2_02, allocator_api2::alloc);
version!("allocator-api2-03", api2_03, allocator_api2_03::alloc);
version!("allocator-api2-04", api2_04, allocator_api2_04::alloc);
version!("nightly", std, core::alloc);
