//! The heaps that a walk can use.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use talloc_global::config::Config;
use talloc_global::inspect::{Report, Violation};
use talloc_global::{OwnedTalloc, Source, TallocCritical};

/// A heap, either the walk's own or shared with others.
pub trait Heap {
    /// The smallest size of a used chunk, in bytes.
    const MIN_BLOCK: usize;
    /// Whether the walk is the only user of the heap.
    const OWN: bool;

    /// Allocates a block.
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Allocates a block of zeros.
    fn malloc_zeroed(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// `block` was allocated by this heap with this layout, and is not used any more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);

    /// Grows or shrinks a block. Returns its new address.
    ///
    /// # Safety
    ///
    /// `block` was allocated by this heap with this layout, and `size` is not zero. The old block is not used any more
    /// if this succeeds.
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
    /// The [`Violation`] that was found.
    fn verify(&self) -> Result<Report, Violation>;
}

/// The smallest size of a chunk with these parameters, in bytes: two links and two sizes.
const fn min_block<C: Config>() -> usize {
    4 * size_of::<C::Index>()
}

impl<C: Config> Heap for OwnedTalloc<C> {
    const MIN_BLOCK: usize = min_block::<C>();
    const OWN: bool = true;

    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: `malloc` accepts any layout.
        unsafe { (**self).malloc(layout) }.ok()
    }

    fn malloc_zeroed(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: `malloc_zeroed` accepts any layout.
        unsafe { (**self).malloc_zeroed(layout) }.ok()
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { (**self).free(block, layout) };
    }

    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: The caller passes an allocated block of this heap with its layout. The branches check the new size.
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

/// A heap that is used through its `GlobalAlloc` methods.
impl<C: Config, S: Source<C>> Heap for &TallocCritical<C, S> {
    const MIN_BLOCK: usize = min_block::<C>();
    const OWN: bool = false;

    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: Walks allocate no blocks of size zero.
        NonNull::new(unsafe { self.alloc(layout) })
    }

    fn malloc_zeroed(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: Walks allocate no blocks of size zero.
        NonNull::new(unsafe { self.alloc_zeroed(layout) })
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { self.dealloc(block.as_ptr(), layout) };
    }

    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
        NonNull::new(unsafe { self.realloc(block.as_ptr(), layout, size) })
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.with(|heap| heap.verify())
    }
}

/// A WebAssembly module's heap that is used through its `GlobalAlloc` methods.
#[cfg(target_arch = "wasm32")]
impl<P: talloc_global::source::WasmParameters> Heap for &talloc_global::WasmTalloc<P> {
    const MIN_BLOCK: usize = 16;
    const OWN: bool = true;

    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: Walks allocate no blocks of size zero.
        NonNull::new(unsafe { self.alloc(layout) })
    }

    fn malloc_zeroed(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: Walks allocate no blocks of size zero.
        NonNull::new(unsafe { self.alloc_zeroed(layout) })
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { self.dealloc(block.as_ptr(), layout) };
    }

    unsafe fn resize(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
        NonNull::new(unsafe { self.realloc(block.as_ptr(), layout, size) })
    }

    fn verify(&self) -> Result<Report, Violation> {
        (*self).verify()
    }
}
