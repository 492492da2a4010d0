//! The heap of this workspace behind magazines, used by one thread.

use crate::heap::Heap;
use std::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
};
use talloc_sync::{ByStack, Compact, OomHandler, Talloc, TallocMagazines, lock::Backoff};

/// The heap, with magazines for two slots.
pub struct Magazines(Box<TallocMagazines<Backoff, Compact, OomHandler<Compact>, ByStack, 2>>);

impl Heap for Magazines {
    const NAME: &'static str = "talloc-magazines";

    fn empty() -> Self {
        Self(Box::new(TallocMagazines::new(Talloc::with_config())))
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: the caller gives the memory to this heap.
        unsafe { self.0.lock().arenas_mut().try_init(memory.into()) }.is_ok()
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a size that is not zero.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller promises a live block with this layout.
        unsafe { self.0.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a size that is not zero.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises a live block with this layout and a valid new size.
        unsafe { self.0.realloc(ptr, layout, new_size) }
    }
}
