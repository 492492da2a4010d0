//! A heap without a lock, in a critical section.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

/// What those heaps have in common that bring no global allocator for a single core.
pub trait Heap {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8;
    unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout);
    unsafe fn reallocate(&mut self, block: *mut u8, layout: Layout, new: usize) -> *mut u8;
}

pub struct Critical<H>(UnsafeCell<H>);

// SAFETY: The heap is reached in critical sections only.
unsafe impl<H> Sync for Critical<H> {}

impl<H> Critical<H> {
    pub const fn new(heap: H) -> Self {
        Self(UnsafeCell::new(heap))
    }

    pub fn with<T>(&self, f: impl FnOnce(&mut H) -> T) -> T {
        // SAFETY: Nobody else has the heap, as no heap calls back.
        critical_section::with(|_| f(unsafe { &mut *self.0.get() }))
    }
}

// SAFETY: What is inside is an allocator.
unsafe impl<H: Heap> GlobalAlloc for Critical<H> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        self.with(|heap| unsafe { heap.allocate(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: As the caller says.
        self.with(|heap| unsafe { heap.deallocate(block, layout) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: As the caller says.
        self.with(|heap| unsafe { heap.reallocate(block, layout, new) })
    }
}
