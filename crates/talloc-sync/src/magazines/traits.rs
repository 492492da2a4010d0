//! The magazines as an allocator.

use core::alloc::{GlobalAlloc, Layout};

use lock_api::RawMutex;
use talloc_core::shared::global;
use talloc_core::{Config, Source};

use super::{Pick, TallocMagazines};
use crate::allocator::Handle;

impl<R: RawMutex, C: Config, S: Source<C>, P: Pick, const N: usize> Handle
    for &TallocMagazines<R, C, S, P, N>
{
    type Heap = TallocMagazines<R, C, S, P, N>;

    #[inline(always)]
    fn heap(&self) -> &Self::Heap {
        self
    }
}

// SAFETY: The heap gives out blocks as the layout asks, which stay valid until they are freed, and
// does not unwind but when the program's own source does. A cached block is nobody's.
unsafe impl<R: RawMutex, C: Config, S: Source<C>, P: Pick, const N: usize> GlobalAlloc
    for TallocMagazines<R, C, S, P, N>
{
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::alloc(self, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::alloc_zeroed(self, layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { global::dealloc(self, ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::realloc(self, ptr, layout, new_size) }
    }
}
