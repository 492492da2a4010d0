//! talc 5.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use talc5::DefaultBinning;
use talc5::base::Talc;
use talc5::source::Manual;

use super::critical::{Critical, Heap};

#[global_allocator]
static HEAP: Critical<Talc<Manual, DefaultBinning>> = Critical::new(Talc::new(Manual));

impl Heap for Talc<Manual, DefaultBinning> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller passes a layout whose size is not zero.
        unsafe { Talc::try_allocate(self, layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { Talc::deallocate(self, block, layout) }
    }

    unsafe fn reallocate(&mut self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
        unsafe {
            if self.try_realloc_in_place(block, layout, new) {
                return block;
            }
            let moved =
                Heap::allocate(self, Layout::from_size_align_unchecked(new, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size());
                Heap::deallocate(self, block, layout);
            }
            moved
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: *mut u8, size: usize) {
    // SAFETY: The caller passes memory that nothing else uses.
    let _ = HEAP.with(|heap| unsafe { heap.claim(start, size) });
}
