//! What a walk needs of a heap.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use talloc_global::config::Config;
use talloc_global::inspect::{Report, Violation};
use talloc_global::{OwnedTalloc, Source, TallocCritical};

/// A heap, a walk's own or one that it shares.
pub trait Heap {
    /// Bytes of the smallest block.
    const MIN_BLOCK: usize;
    /// Whether nobody else allocates from it.
    const OWN: bool;

    /// Allocates a block.
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Allocates a block of zeros.
    fn malloc_zeroed(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// It is one of this heap, with its layout, and is not used any more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);

    /// Grows or shrinks a block. Returns where it is now.
    ///
    /// # Safety
    ///
    /// It is one of this heap, with its layout, and is not used any more if this returns another.
    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>>;

    /// Checks the heap.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn verify(&self) -> Result<Report, Violation>;
}

/// Bytes of the smallest block of heaps with these parameters: two links and two sizes.
const fn min_block<C: Config>() -> usize {
    4 * size_of::<C::Index>()
}

impl<C: Config> Heap for OwnedTalloc<C> {
    const MIN_BLOCK: usize = min_block::<C>();
    const OWN: bool = true;

    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: The size is not zero.
        unsafe { (**self).malloc(layout) }.ok()
    }

    fn malloc_zeroed(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: The size is not zero.
        unsafe { (**self).malloc_zeroed(layout) }.ok()
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { (**self).free(block, layout) };
    }

    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: As the caller says.
        unsafe {
            if size >= layout.size() {
                return (**self).grow(block, layout, size).ok();
            }
            (**self).shrink(block, layout, size);
        }
        Some(block)
    }

    fn verify(&self) -> Result<Report, Violation> {
        (**self).verify()
    }
}

/// The heap by the methods of a global allocator.
impl<C: Config, S: Source<C>> Heap for &TallocCritical<C, S> {
    const MIN_BLOCK: usize = min_block::<C>();
    const OWN: bool = false;

    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: The size is not zero.
        NonNull::new(unsafe { self.alloc(layout) })
    }

    fn malloc_zeroed(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: The size is not zero.
        NonNull::new(unsafe { self.alloc_zeroed(layout) })
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { self.dealloc(block.as_ptr(), layout) };
    }

    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: As the caller says; the size is not zero.
        NonNull::new(unsafe { self.realloc(block.as_ptr(), layout, size) })
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.with(|heap| heap.verify())
    }
}

/// The heap of a module by the methods of a global allocator.
#[cfg(target_arch = "wasm32")]
impl<P: talloc_global::source::WasmParameters> Heap for &talloc_global::WasmTalloc<P> {
    const MIN_BLOCK: usize = 16;
    const OWN: bool = true;

    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: The size is not zero.
        NonNull::new(unsafe { self.alloc(layout) })
    }

    fn malloc_zeroed(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: The size is not zero.
        NonNull::new(unsafe { self.alloc_zeroed(layout) })
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: By the contract of this method.
        unsafe { self.dealloc(block.as_ptr(), layout) };
    }

    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: By the contract of this method; the size is not zero.
        NonNull::new(unsafe { self.realloc(block.as_ptr(), layout, size) })
    }

    fn verify(&self) -> Result<Report, Violation> {
        (*self).verify()
    }
}
