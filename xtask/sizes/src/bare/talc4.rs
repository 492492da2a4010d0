//! talc 4.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use talc4::{ErrOnOom, Span, Talc};

use super::critical::{Critical, Heap};

#[global_allocator]
static HEAP: Critical<Talc<ErrOnOom>> = Critical::new(Talc::new(ErrOnOom));

impl Heap for Talc<ErrOnOom> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller passes a layout whose size is not zero.
        unsafe { self.malloc(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { self.free(NonNull::new_unchecked(block), layout) }
    }

    unsafe fn reallocate(&mut self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
        unsafe {
            let ptr = NonNull::new_unchecked(block);
            if new <= layout.size() {
                self.shrink(ptr, layout, new);
                block
            } else {
                self.grow(ptr, layout, new).map_or(ptr::null_mut(), NonNull::as_ptr)
            }
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: *mut u8, size: usize) {
    // SAFETY: The caller passes memory that nothing else uses.
    let _ = HEAP.with(|heap| unsafe { heap.claim(Span::from_base_size(start, size)) });
}
