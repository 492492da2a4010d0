//! Other allocators, for comparison.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use talc5::DefaultBinning;
use talc5::base::Talc;
use talc5::source::Manual;

use crate::heap::Heap;

pub type Talc5 = Talc<Manual, DefaultBinning>;

/// 16 lists per power of two, for blocks of less than 1 MiB.
pub type Tlsf = rlsf::Tlsf<'static, u16, u16, 16, 16>;

/// The global allocator, which some peers need to link. None of them allocates from it.
struct Nothing;

#[global_allocator]
static NOTHING: Nothing = Nothing;

// SAFETY: This allocator never returns a block.
unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

impl Heap for Talc5 {
    unsafe fn new(start: *mut u8, size: usize) -> Self {
        let mut heap = Talc::new(Manual);
        // SAFETY: The caller passes memory that only this heap uses.
        unsafe { heap.claim(start, size) }.expect("there is enough memory");
        heap
    }

    #[inline(never)]
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: The caller passes a layout whose size is not zero.
        unsafe { self.try_allocate(layout) }
    }

    #[inline(never)]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { self.deallocate(block.as_ptr(), layout) };
    }
}

impl Heap for Tlsf {
    unsafe fn new(start: *mut u8, size: usize) -> Self {
        let mut heap = Self::new();
        let memory = NonNull::new(ptr::slice_from_raw_parts_mut(start, size)).expect("not null");
        // SAFETY: The caller passes memory that only this heap uses.
        unsafe { heap.insert_free_block_ptr(memory) }.expect("there is enough memory");
        heap
    }

    #[inline(never)]
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.allocate(layout)
    }

    #[inline(never)]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { self.deallocate(block, layout.align()) };
    }
}

impl Heap for linked_list_allocator::Heap {
    unsafe fn new(start: *mut u8, size: usize) -> Self {
        // SAFETY: The caller passes memory that only this heap uses.
        unsafe { Self::new(start, size) }
    }

    #[inline(never)]
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.allocate_first_fit(layout).ok()
    }

    #[inline(never)]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { self.deallocate(block, layout) };
    }
}
