//! Memory that is given to a heap.

use anyhow::{Context, Result};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;

/// Memory that is given to a heap. Only pages that are written to are taken from the operating system.
pub struct Region {
    block: NonNull<u8>,
    layout: Layout,
}

/// Where a heap's memory begins.
const ALIGN: usize = 4096;

impl Region {
    /// Zeroed memory, or an error if the operating system has none to promise.
    pub fn new(size: usize) -> Result<Self> {
        let region = || {
            // Zeroed memory that is aligned to more than this is written to by the standard library.
            let layout = Layout::from_size_align(size.checked_add(ALIGN)?, 8).ok()?;
            // SAFETY: The size is not zero.
            let block = NonNull::new(unsafe { System.alloc_zeroed(layout) })?;
            Some(Self { block, layout })
        };
        region().with_context(|| format!("there is no memory for an arena of {size} bytes"))
    }

    /// As much as there is of `most` bytes, but at least `least`.
    pub fn at_most(most: usize, least: usize) -> Result<Self> {
        let mut size = most;
        loop {
            match Self::new(size) {
                Err(_) if size / 2 >= least.max(1) => size /= 2,
                region => return region,
            }
        }
    }

    /// How many bytes there are.
    pub fn size(&self) -> usize {
        self.layout.size() - ALIGN
    }

    /// The first `size` bytes, or all if there are fewer.
    pub fn first(&mut self, size: usize) -> NonNull<[u8]> {
        let offset = self.block.addr().get().wrapping_neg() % ALIGN;
        // SAFETY: The block has `ALIGN` bytes more than the region, and the offset is less.
        let base = unsafe { self.block.add(offset) };
        NonNull::slice_from_raw_parts(base, size.min(self.size()))
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: Allocated by `new` with this layout.
        unsafe { System.dealloc(self.block.as_ptr(), self.layout) }
    }
}
