//! Blocks with memory of their own, apart from the arenas.
//!
//! Which ones have it is told by the layout: those of [`MIN`] bytes and more, always, so that
//! whoever frees one need not look for it. A block that grows beyond that size, or shrinks below it,
//! moves.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_sync::{Align, Span};

use super::space;

/// The least bytes of a block that has memory of its own.
///
/// Whoever allocates such blocks again and again waits for the system at every page of every one, which
/// takes many times as long as to have the pages from the heap again. So it is large.
pub(super) const MIN: usize = 32 << 20;

/// Bytes of the memory of a block.
pub(super) fn size(layout: Layout) -> Option<usize> {
    space::round_up(layout.size())
}

/// New memory for a block, all zeros, if there is any.
pub(super) fn map(layout: Layout) -> Option<NonNull<u8>> {
    let block = space::map(size(layout)?, Align::of_layout(layout)).ok()?;
    NonNull::new(block.get_base_ptr()?)
}

/// Gives the memory of a block back.
///
/// # Safety
///
/// It comes from [`map`] or [`remap`], with this layout, and is not used any more.
pub(super) unsafe fn unmap(block: NonNull<u8>, layout: Layout) {
    // The size was in bounds when the block was made.
    let size = size(layout).unwrap_or(0);
    // SAFETY: The range is that of the block, which is not used any more.
    unsafe { space::release(Span::from_ptr_size(block.as_ptr(), size)) };
}

/// Gives the memory of a block the size of another layout, somewhere else if need be, but without
/// copying. `None` if the system cannot do that; then nothing has changed.
///
/// # Safety
///
/// It comes from [`map`] or [`remap`], with the layout `old`. If this succeeds, `block` is not used
/// any more.
pub(super) unsafe fn remap(block: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
    let align = Align::of_layout(new);
    if !align.is_aligned(block.addr().get()) {
        return None;
    }
    let range = Span::from_ptr_size(block.as_ptr(), size(old)?);
    // SAFETY: The range is that of the block, which is not used any more if this succeeds.
    let range = unsafe { space::resize(range, size(new)?, align) }.ok()?;
    NonNull::new(range.get_base_ptr()?)
}
