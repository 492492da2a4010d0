//! Blocks that are mapped individually, outside of the arenas.
//!
//! A [`SystemHeap`](super::SystemHeap) maps every block of [`MIN`] bytes or more. `free` therefore learns from the
//! layout where a block comes from. A block that grows or shrinks across that size moves.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_sync::{Align, Span};

use super::space;

/// The least bytes of a block that is mapped individually.
///
/// It is large because each new mapping takes a fault for every page. To reuse memory of the heap is many times
/// faster.
pub(super) const MIN: usize = 32 << 20;

/// The bytes of the mapping for a block.
pub(super) fn size(layout: Layout) -> Option<usize> {
    space::round_up(layout.size())
}

/// Maps memory for a block, all zeros.
pub(super) fn map(layout: Layout) -> Option<NonNull<u8>> {
    let block = space::map(size(layout)?, Align::of_layout(layout)).ok()?;
    NonNull::new(block.get_base_ptr()?)
}

/// Unmaps a block.
///
/// # Safety
///
/// [`map`] or [`remap`] returned the block, with this layout. Nobody uses it any more.
pub(super) unsafe fn unmap(block: NonNull<u8>, layout: Layout) {
    // The size did not overflow when the block was mapped.
    let size = size(layout).unwrap_or(0);
    // SAFETY: The range is the block's mapping, and nobody uses the block any more.
    unsafe { space::release(Span::from_ptr_size(block.as_ptr(), size)) };
}

/// Resizes the mapping of a block without copying it. The mapping may move. Returns `None`, and changes nothing, if the
/// system cannot resize it.
///
/// # Safety
///
/// [`map`] or [`remap`] returned the block, with the layout `old`. If this succeeds, nobody uses `block` any more.
pub(super) unsafe fn remap(block: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
    let align = Align::of_layout(new);
    if !align.is_aligned(block.addr().get()) {
        return None;
    }
    let range = Span::from_ptr_size(block.as_ptr(), size(old)?);
    // SAFETY: The range is the block's mapping. Nobody uses the old block if this succeeds.
    let range = unsafe { space::resize(range, size(new)?, align) }.ok()?;
    NonNull::new(range.get_base_ptr()?)
}
