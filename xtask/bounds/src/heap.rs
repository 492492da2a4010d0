//! The heaps to be measured.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_global::config::Config;
use talloc_global::{OwnedTalloc, Span, Talloc};

/// A heap. None of its operations is inlined, so the count includes the call.
pub trait Heap {
    /// Creates a heap in the `size` bytes from `start` on.
    ///
    /// # Safety
    ///
    /// Only the heap reads and writes this memory, as long as it is used.
    unsafe fn new(start: *mut u8, size: usize) -> Self;

    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// # Safety
    ///
    /// `block` was allocated by this heap with this layout, and is not used any more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);

    /// Grows a block in place, if there is room. Returns `None` if the heap has no such operation.
    ///
    /// # Safety
    ///
    /// `block` was allocated by this heap with this layout, and `new` is larger than its size.
    unsafe fn grow(&mut self, _block: NonNull<u8>, _layout: Layout, _new: usize) -> Option<bool> {
        None
    }

    /// Shrinks a block in place. Returns `None` if the heap has no such operation.
    ///
    /// # Safety
    ///
    /// `block` was allocated by this heap with this layout. `new` is smaller than its size and not zero.
    unsafe fn shrink(&mut self, _block: NonNull<u8>, _layout: Layout, _new: usize) -> Option<()> {
        None
    }
}

impl<C: Config> Heap for OwnedTalloc<C> {
    unsafe fn new(start: *mut u8, size: usize) -> Self {
        let mut heap = Talloc::with_config();
        // SAFETY: The caller passes memory that only this heap uses.
        unsafe { heap.init(Span::from_ptr_size(start, size)) };
        heap
    }

    #[inline(never)]
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: `malloc` accepts any layout, even one of size zero.
        unsafe { Talloc::malloc(self, layout) }.ok()
    }

    #[inline(never)]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { Talloc::free(self, block, layout) };
    }

    #[inline(never)]
    unsafe fn grow(&mut self, block: NonNull<u8>, layout: Layout, new: usize) -> Option<bool> {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a larger size.
        Some(unsafe { self.grow_in_place(block, layout, new) }.is_ok())
    }

    #[inline(never)]
    unsafe fn shrink(&mut self, block: NonNull<u8>, layout: Layout, new: usize) -> Option<()> {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a smaller, nonzero size.
        unsafe { Talloc::shrink(self, block, layout, new) };
        Some(())
    }
}
