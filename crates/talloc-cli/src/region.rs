//! Memory that is given to a heap.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::ptr::NonNull;

/// Memory that is given to a heap. Only pages that are written to are taken from the operating system.
pub struct Region {
    block: NonNull<u8>,
    layout: Layout,
}

/// Where a heap's memory begins.
const ALIGN: usize = 4096;

impl Region {
    /// Zeroed memory.
    ///
    /// # Panics
    ///
    /// If the size is larger than half of the addresses.
    pub fn new(size: usize) -> Self {
        // Zeroed memory that is aligned to more than this is written to by the standard library.
        let layout = Layout::from_size_align(size.saturating_add(ALIGN), 8);
        let layout = layout.expect("less than half of the addresses");
        // SAFETY: The size is not zero.
        let block = unsafe { System.alloc_zeroed(layout) };
        let Some(block) = NonNull::new(block) else { handle_alloc_error(layout) };
        Self { block, layout }
    }

    /// The first `size` bytes, or all if there are fewer.
    pub fn first(&mut self, size: usize) -> NonNull<[u8]> {
        let offset = self.block.addr().get().wrapping_neg() % ALIGN;
        // SAFETY: The block has `ALIGN` bytes more than the region, and the offset is less.
        let base = unsafe { self.block.add(offset) };
        NonNull::slice_from_raw_parts(base, size.min(self.layout.size() - ALIGN))
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: Allocated by `new` with this layout.
        unsafe { System.dealloc(self.block.as_ptr(), self.layout) }
    }
}
