//! How much memory a heap must be given for a request.

use core::alloc::Layout;

use talloc_sync::{Config, Level, OwnedTalloc, Span};

/// Bytes that the arena, or a further one, must be given for `layout`, with what it may need for its
/// own use, or `None` if there are not so many addresses.
pub(super) fn needed<C: Config, S>(layout: Layout, arena: Span) -> Option<usize> {
    let block = layout.size().checked_add(layout.align())?;
    // The bitmap, which may have to move as a whole, takes a 64th, or a 32nd in a checked heap, also of its own bytes, and
    // an eighth of that to grow.
    let share = if C::CHECKED { 27 } else { 32 };
    let bitmap = arena.size().checked_add(block)? / share;
    block.checked_add(bitmap)?.checked_add(size_of::<OwnedTalloc<C, S>>())
}
