//! Large blocks between guard pages, and a checking heap for all other blocks.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use super::below::{Counters, Guarded, SizeClasses, Violation};
use super::checked::{Checking, CheckingGuard};
use super::{Heap, MIN_ALIGN};
use crate::abort::abort;

/// The size from which blocks are guarded. The GNU C library also maps the first block of this size. Each guarded block
/// costs system calls and page faults, which are too expensive for smaller blocks.
const LARGE: usize = 128 << 10;

/// Alignments up to the smallest page can be guarded.
const MAX_ALIGN: usize = 4096;

/// The layout to pass with a pointer that is not to a block. The report leaves it out.
const UNKNOWN: Layout = Layout::new::<()>();

/// A heap whose large blocks are guarded, as long as there are slots for them. An environment variable makes it also guard
/// small blocks, at random.
pub(crate) struct Guarding(Guarded<Checking>);

impl Guarding {
    /// Locks the heap of the blocks that are not guarded. Guarded blocks have no lock.
    pub(crate) fn lock(&'static self) -> CheckingGuard {
        self.0.inner().lock()
    }

    /// Returns the layout of a guarded block; `UNKNOWN` if there is no such block.
    fn layout(&self, block: NonNull<u8>) -> Layout {
        self.0.layout_of(block.as_ptr()).unwrap_or(UNKNOWN)
    }

    /// Frees a guarded block.
    ///
    /// # Safety
    ///
    /// As for [`Heap::free`].
    #[cold]
    #[inline(never)]
    unsafe fn free_guarded(&self, block: NonNull<u8>) {
        // SAFETY: A live block has this layout, and the caller gives it up. What is wrong is reported.
        unsafe { self.0.dealloc(block.as_ptr(), self.layout(block)) }
    }

    /// Resizes a block that is or becomes large.
    ///
    /// # Safety
    ///
    /// As for [`Heap::resize`].
    #[cold]
    #[inline(never)]
    unsafe fn resize_large(&self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        let heap = self.0.inner();
        let layout = if self.0.is_guarded(block.as_ptr()) {
            self.layout(block)
        } else if heap.is_empty("resizing", block) {
            let new = self.allocate(size, MIN_ALIGN)?;
            // SAFETY: The caller gives the block up.
            unsafe { heap.free(block) };
            return Some(new);
        } else {
            heap.layout("resizing", block)
        };
        // The new layout has the same alignment.
        Layout::from_size_align(size, layout.align()).ok()?;
        // SAFETY: The block is live and has this layout, or the allocator reports the error. The size is not zero, and
        // makes a valid layout.
        NonNull::new(unsafe { self.0.realloc(block.as_ptr(), layout, size) })
    }
}

impl Heap for Guarding {
    const NEW: Self = Self(Guarded::new(Checking::NEW).with_rate(None).with_large(LARGE));

    #[cfg(test)]
    const IS_OWN: bool = true;

    #[inline(always)]
    fn is_worth_own_pages(size: usize, align: usize) -> bool {
        size >= LARGE && align <= MAX_ALIGN
    }

    #[inline]
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        if size == 0 {
            return self.0.inner().allocate(size, align);
        }
        let layout = Layout::from_size_align(size, align).ok()?;
        // SAFETY: The size is not zero.
        NonNull::new(unsafe { self.0.alloc(layout) })
    }

    #[inline]
    fn allocate_zeroed(&self, size: usize) -> Option<NonNull<u8>> {
        if size == 0 {
            return self.0.inner().allocate_zeroed(size);
        }
        let layout = Layout::from_size_align(size, MIN_ALIGN).ok()?;
        // SAFETY: The size is not zero.
        NonNull::new(unsafe { self.0.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn free(&self, block: NonNull<u8>) {
        // SAFETY: By the contract of this function, which is the same.
        unsafe {
            if self.0.is_guarded(block.as_ptr()) {
                self.free_guarded(block);
            } else {
                self.0.inner().free(block);
            }
        }
    }

    unsafe fn free_sized(&self, block: NonNull<u8>, size: usize) {
        if !self.0.is_guarded(block.as_ptr()) {
            // SAFETY: By the contract of this function, which is the same.
            return unsafe { self.0.inner().free_sized(block, size) };
        }
        let layout = Layout::from_size_align(size, self.layout(block).align());
        // SAFETY: A live block has this layout, and the caller gives it up. What is wrong is reported.
        unsafe { self.0.dealloc(block.as_ptr(), layout.unwrap_or(UNKNOWN)) }
    }

    #[inline]
    unsafe fn resize(&self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: By the contract of this function, which is the same.
        unsafe {
            if size >= LARGE || self.0.is_guarded(block.as_ptr()) {
                self.resize_large(block, size)
            } else {
                self.0.inner().resize(block, size)
            }
        }
    }

    #[inline]
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        if !self.0.is_guarded(block.as_ptr()) {
            // SAFETY: By the contract of this function, which is the same.
            return unsafe { self.0.inner().usable_size(block) };
        }
        match self.0.layout_of(block.as_ptr()) {
            Some(layout) => layout.size(),
            None => abort(format_args!("measuring {block:p}: not a block, or already free")),
        }
    }

    fn trim(&self) {
        self.0.inner().trim();
    }

    /// Guarded blocks count as mapped blocks.
    fn statistics(&self) -> Counters {
        let (blocks, bytes) = self.0.live();
        let mut counters = self.0.inner().statistics();
        counters.mapped_blocks += blocks;
        counters.mapped_bytes += bytes;
        counters
    }

    fn size_classes(&self) -> SizeClasses {
        self.0.inner().size_classes()
    }

    fn verify(&self) -> Result<(), Violation> {
        self.0.inner().verify()
    }
}

// SAFETY: All blocks come from the heap, which knows their sizes itself, and reports invalid blocks. No block with a larger
// alignment than that of all blocks is reallocated (`resize_large`). Nothing unwinds.
unsafe impl GlobalAlloc for Checking {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        or_null(self.allocate(layout.size(), layout.align()))
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        or_null(self.allocate_zeroed_aligned(layout.size(), layout.align()))
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, _: Layout) {
        let Some(block) = NonNull::new(ptr) else { return };
        // SAFETY: The caller gives the block up.
        unsafe { self.free(block) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, _: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller gives the block up if it moves.
        or_null(NonNull::new(ptr).and_then(|block| unsafe { self.resize(block, new_size) }))
    }
}

fn or_null(block: Option<NonNull<u8>>) -> *mut u8 {
    block.map_or(core::ptr::null_mut(), NonNull::as_ptr)
}
