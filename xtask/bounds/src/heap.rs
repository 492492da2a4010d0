//! What is counted of a heap.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_global::config::Config;
use talloc_global::{OwnedTalloc, Span, Talloc};

/// A heap. None of its operations is inlined, so that what is counted is the call.
pub trait Heap {
    /// A heap of so many bytes from there on.
    ///
    /// # Safety
    ///
    /// They can be read and written as long as the heap is used, and nobody else does.
    unsafe fn new(start: *mut u8, size: usize) -> Self;

    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// # Safety
    ///
    /// It is a block of the heap, of this layout, and is not used any more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);

    /// Grows a block where it is, if there is room; `None` if the heap has no such operation.
    ///
    /// # Safety
    ///
    /// It is a block of the heap, of this layout, and `new` is larger than its size.
    unsafe fn grow(&mut self, _block: NonNull<u8>, _layout: Layout, _new: usize) -> Option<bool> {
        None
    }

    /// Makes a block smaller where it is; `None` if the heap has no such operation.
    ///
    /// # Safety
    ///
    /// It is a block of the heap, of this layout, and `new` is smaller than its size and not zero.
    unsafe fn shrink(&mut self, _block: NonNull<u8>, _layout: Layout, _new: usize) -> Option<()> {
        None
    }
}

impl<C: Config> Heap for OwnedTalloc<C> {
    unsafe fn new(start: *mut u8, size: usize) -> Self {
        let mut heap = Talloc::with_config();
        // SAFETY: As the caller says.
        unsafe { heap.init(Span::from_ptr_size(start, size)) };
        heap
    }

    #[inline(never)]
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: A size of zero is as one.
        unsafe { Talloc::malloc(self, layout) }.ok()
    }

    #[inline(never)]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { Talloc::free(self, block, layout) };
    }

    #[inline(never)]
    unsafe fn grow(&mut self, block: NonNull<u8>, layout: Layout, new: usize) -> Option<bool> {
        // SAFETY: As the caller says.
        Some(unsafe { self.grow_in_place(block, layout, new) }.is_ok())
    }

    #[inline(never)]
    unsafe fn shrink(&mut self, block: NonNull<u8>, layout: Layout, new: usize) -> Option<()> {
        // SAFETY: As the caller says.
        unsafe { Talloc::shrink(self, block, layout, new) };
        Some(())
    }
}
