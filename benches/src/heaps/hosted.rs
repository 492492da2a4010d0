//! Allocators of hosted programs, for scale: they have thread caches and the operating system's memory.

use crate::heap::Heap;
use std::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
};

macro_rules! hosted {
    ($(#[$doc:meta])* $heap:ident, $name:literal, $global:expr) => {
        $(#[$doc])*
        pub struct $heap;

        impl Heap for $heap {
            const NAME: &'static str = $name;
            const HOSTED: bool = true;

            fn empty() -> Self {
                Self
            }

            unsafe fn init(&mut self, _: NonNull<[u8]>) -> bool {
                true
            }

            #[inline]
            unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
                // SAFETY: the caller promises a size that is not zero.
                unsafe { $global.alloc(layout) }
            }

            #[inline]
            unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
                // SAFETY: the caller promises a live block with this layout.
                unsafe { $global.dealloc(ptr, layout) }
            }

            #[inline]
            unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
                // SAFETY: the caller promises a size that is not zero.
                unsafe { $global.alloc_zeroed(layout) }
            }

            #[inline]
            unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
                // SAFETY: the caller promises a live block with this layout and a valid new size.
                unsafe { $global.realloc(ptr, layout, new_size) }
            }
        }
    };
}

hosted!(
    /// The C library's `malloc`.
    System, "system", std::alloc::System
);
hosted!(
    /// Microsoft's mimalloc.
    Mimalloc, "mimalloc", mimalloc::MiMalloc
);
hosted!(
    /// jemalloc.
    Jemalloc, "jemalloc", tikv_jemallocator::Jemalloc
);
