//! rlsf.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use rlsf::Tlsf;

use super::critical::{Critical, Heap};

/// 8 lists per power of two, for blocks of less than 512 KiB.
type Small = Tlsf<'static, u16, u8, 16, 8>;

#[global_allocator]
static HEAP: Critical<Small> = Critical::new(Small::new());

impl Heap for Small {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        Tlsf::allocate(self, layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn deallocate(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { Tlsf::deallocate(self, NonNull::new_unchecked(block), layout.align()) }
    }

    unsafe fn reallocate(&mut self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
        unsafe {
            let new = Layout::from_size_align_unchecked(new, layout.align());
            let block = NonNull::new_unchecked(block);
            Tlsf::reallocate(self, block, new).map_or(ptr::null_mut(), NonNull::as_ptr)
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn init(start: *mut u8, size: usize) {
    // SAFETY: The caller passes memory that nothing else uses.
    HEAP.with(|heap| unsafe {
        let memory = NonNull::new_unchecked(ptr::slice_from_raw_parts_mut(start, size));
        let _ = heap.insert_free_block_ptr(memory);
    });
}
