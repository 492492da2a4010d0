//! How much memory a heap must be given for a request.

use core::alloc::Layout;

use talloc_sync::{Config, OwnedTalloc, Span};

/// Bytes that the arena, or a further one, must be given for `layout`, with what it may need for its
/// own use, or `None` if there are not so many addresses.
pub(super) fn needed<C: Config, S>(layout: Layout, arena: Span) -> Option<usize> {
    let block = layout.size().checked_add(layout.align())?;
    // A 64th and an eighth of that for the bitmap, which may have to move as a whole.
    let bitmap = arena.size().checked_add(block)? / 32;
    block.checked_add(bitmap)?.checked_add(size_of::<OwnedTalloc<C, S>>())
}
