//! Guards a heap without a lock by critical sections.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

/// The operations of those heaps that have no global allocator for a single core.
pub trait Heap {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8;
    unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout);
    unsafe fn reallocate(&mut self, block: *mut u8, layout: Layout, new: usize) -> *mut u8;
}

pub struct Critical<H>(UnsafeCell<H>);

// SAFETY: The heap is accessed only in critical sections.
unsafe impl<H> Sync for Critical<H> {}

impl<H> Critical<H> {
    pub const fn new(heap: H) -> Self {
        Self(UnsafeCell::new(heap))
    }

    pub fn with<T>(&self, f: impl FnOnce(&mut H) -> T) -> T {
        // SAFETY: The critical section excludes other accesses, and no heap calls back into `with`.
        critical_section::with(|_| f(unsafe { &mut *self.0.get() }))
    }
}

// SAFETY: Each `Heap` here is a correct allocator. `None` fails each request.
unsafe impl<H: Heap> GlobalAlloc for Critical<H> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller passes a layout whose size is not zero.
        self.with(|heap| unsafe { heap.allocate(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        self.with(|heap| unsafe { heap.deallocate(block, layout) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
        self.with(|heap| unsafe { heap.reallocate(block, layout, new) })
    }
}
