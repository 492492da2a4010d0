//! How much memory a heap needs for a request.

use core::alloc::Layout;

use talloc_sync::{Config, Level, OwnedTalloc, Span};

/// The bytes by which `arena`, or a further arena if that is empty, must grow for `layout`, including the arena's own
/// structures. `None` if the number overflows.
pub(super) fn needed<C: Config, S>(layout: Layout, arena: Span) -> Option<usize> {
    let block = layout.size().checked_add(layout.align())?;
    // The bitmap takes a 64th, or a 32nd in a checked heap, and an eighth of that to grow. All of it counts, because it may
    // have to move.
    let share = if C::CHECKED { 27 } else { 32 };
    let bitmap = arena.size().checked_add(block)? / share;
    block.checked_add(bitmap)?.checked_add(size_of::<OwnedTalloc<C, S>>())
}
