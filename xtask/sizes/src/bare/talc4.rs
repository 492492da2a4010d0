//! talc 4.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use talc4::{ErrOnOom, Span, Talc};

use super::critical::{Critical, Heap};

#[global_allocator]
static HEAP: Critical<Talc<ErrOnOom>> = Critical::new(Talc::new(ErrOnOom));

impl Heap for Talc<ErrOnOom> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { self.malloc(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { self.free(NonNull::new_unchecked(block), layout) }
    }

    unsafe fn reallocate(&mut self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: As the caller says.
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
    // SAFETY: As the caller says.
    let _ = HEAP.with(|heap| unsafe { heap.claim(Span::from_base_size(start, size)) });
}
