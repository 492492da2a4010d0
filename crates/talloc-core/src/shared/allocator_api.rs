//! `Allocator`, in every version that is switched on.
//!
//! The versions are one trait under several paths. It is implemented here, once, in terms of [`Allocate`].
//!
//! [`Allocate`]: super::Allocate

/// The versions of the trait, under one name each.
pub mod versions {
    #[cfg(feature = "allocator")]
    pub use allocator_api2::alloc as api2_02;
    #[cfg(feature = "allocator-api2-03")]
    pub use allocator_api2_03::alloc as api2_03;
    #[cfg(feature = "allocator-api2-04")]
    pub use allocator_api2_04::alloc as api2_04;
    #[cfg(feature = "allocator_api")]
    pub use core::alloc as std;
}

/// Implements every version of `Allocator` for a handle, a type whose copies refer to the same heap: `$heap`, in terms
/// of a reference `$it` to the handle.
///
/// The crate that uses it has features of the same names as this one.
///
/// # Safety
///
/// For a handle and all its copies, `$heap` is the same heap each time. That stays, with all blocks, as long as any of
/// them can be used.
#[doc(hidden)]
#[macro_export]
macro_rules! allocator {
    (unsafe impl[$($generics:tt)*] for $handle:ty, |$it:ident| $heap:expr) => {
        #[cfg(feature = "allocator")]
        $crate::allocator_version!(unsafe api2_02, [$($generics)*], $handle, |$it| $heap);
        #[cfg(feature = "allocator-api2-03")]
        $crate::allocator_version!(unsafe api2_03, [$($generics)*], $handle, |$it| $heap);
        #[cfg(feature = "allocator-api2-04")]
        $crate::allocator_version!(unsafe api2_04, [$($generics)*], $handle, |$it| $heap);
        #[cfg(feature = "allocator_api")]
        $crate::allocator_version!(unsafe std, [$($generics)*], $handle, |$it| $heap);
    };
}

/// Implements one version of `Allocator`.
#[doc(hidden)]
#[macro_export]
macro_rules! allocator_version {
    (unsafe $version:ident, [$($generics:tt)*], $handle:ty, |$it:ident| $heap:expr) => {
        const _: () = {
            use ::core::alloc::Layout;
            use ::core::ptr::NonNull;
            use $crate::shared::{self, versions::$version::{AllocError, Allocator}};

            // SAFETY: Whoever uses the macro says that the handle and its copies refer to one heap, which stays for as
            // long. Every method does what the function of the same name does, whose contract is that of this trait.
            unsafe impl<$($generics)*> Allocator for $handle {
                #[inline]
                fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                    let $it = self;
                    shared::allocate($heap, layout).map_err(|_| AllocError)
                }

                #[inline]
                fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                    let $it = self;
                    shared::allocate_zeroed($heap, layout).map_err(|_| AllocError)
                }

                #[inline]
                #[track_caller]
                unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
                    let $it = self;
                    // SAFETY: The caller gives up a block of this heap, or one of no size.
                    unsafe { shared::deallocate($heap, ptr, layout) }
                }

                #[inline]
                unsafe fn grow(
                    &self,
                    ptr: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    let $it = self;
                    // SAFETY: The block has the layout `old`, and `new` is at least as large.
                    unsafe { shared::grow($heap, ptr, old, new) }.map_err(|_| AllocError)
                }

                #[inline]
                unsafe fn grow_zeroed(
                    &self,
                    ptr: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    let $it = self;
                    // SAFETY: As for `grow`.
                    unsafe { shared::grow_zeroed($heap, ptr, old, new) }.map_err(|_| AllocError)
                }

                #[inline]
                unsafe fn shrink(
                    &self,
                    ptr: NonNull<u8>,
                    old: Layout,
                    new: Layout,
                ) -> Result<NonNull<[u8]>, AllocError> {
                    let $it = self;
                    // SAFETY: The block has the layout `old`, and `new` is at most as large.
                    unsafe { shared::shrink($heap, ptr, old, new) }.map_err(|_| AllocError)
                }
            }
        };
    };
}
