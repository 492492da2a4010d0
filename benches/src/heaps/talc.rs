//! talc, the two versions in use.

use crate::heap::{Heap, move_block};
use std::{
    alloc::Layout,
    ptr::{self, NonNull},
};
use talc4::{ErrOnOom, Span};
use talc5::{DefaultBinning, base::Talc, source::Manual};

/// talc 5: its raw heap with the default bins.
pub struct Talc5(Talc<Manual, DefaultBinning>);

impl Heap for Talc5 {
    const NAME: &'static str = "talc5";

    fn empty() -> Self {
        Self(Talc::new(Manual))
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: the caller gives the memory to this heap.
        unsafe { self.0.claim(memory.cast().as_ptr(), memory.len()) }.is_some()
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a size that is not zero.
        unsafe { self.0.try_allocate(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller promises a live block with this layout.
        unsafe { self.0.deallocate(ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises a live block with this layout and a size that is not zero.
        if unsafe { self.0.try_realloc_in_place(ptr, layout, new_size) } {
            ptr
        } else {
            // SAFETY: by the contract of this function.
            unsafe { move_block(self, ptr, layout, new_size) }
        }
    }
}

/// talc 4.
pub struct Talc4(talc4::Talc<ErrOnOom>);

impl Heap for Talc4 {
    const NAME: &'static str = "talc4";

    fn empty() -> Self {
        Self(talc4::Talc::new(ErrOnOom))
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: the caller gives the memory to this heap.
        unsafe { self.0.claim(Span::from_base_size(memory.cast().as_ptr(), memory.len())) }.is_ok()
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a size that is not zero.
        unsafe { self.0.malloc(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: a live block is not null, and the caller promises this layout.
        unsafe { self.0.free(NonNull::new_unchecked(ptr), layout) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: a live block is not null.
        let block = unsafe { NonNull::new_unchecked(ptr) };
        if new_size <= layout.size() {
            // SAFETY: the caller promises a live block and a size that is not zero; it is not larger.
            unsafe { self.0.shrink(block, layout, new_size) };
            ptr
        } else {
            // SAFETY: the caller promises a live block; the size is larger.
            unsafe { self.0.grow(block, layout, new_size) }.map_or(ptr::null_mut(), NonNull::as_ptr)
        }
    }
}
