//! linked_list_allocator.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use super::critical::{Critical, Heap};

type List = linked_list_allocator::Heap;

#[global_allocator]
static HEAP: Critical<List> = Critical::new(List::empty());

impl Heap for List {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        self.allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { List::deallocate(self, NonNull::new_unchecked(block), layout) }
    }

    unsafe fn reallocate(&mut self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
        unsafe {
            let moved =
                Heap::allocate(self, Layout::from_size_align_unchecked(new, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(new));
                Heap::deallocate(self, block, layout);
            }
            moved
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: *mut u8, size: usize) {
    // SAFETY: The caller passes memory that nothing else uses.
    HEAP.with(|heap| unsafe { heap.init(start, size) });
}
