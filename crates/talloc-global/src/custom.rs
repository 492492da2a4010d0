//! For wrappers, caches and heaps of one's own.
//!
//! A wrapper of a heap implements [`SharedHeap`]. Caches in front of a heap take blocks from its [`Backend`], and return them, by [`Batch`].
//! A program that gives each thread a heap, as `SystemTalloc` does, implements `threads::Host`.

pub use talloc_sync::shared::{
    self, Allocate, allocate, allocate_zeroed, deallocate, free_in_heap, grow, grow_zeroed, shrink,
};
pub use talloc_sync::{Align, Backend, Batch, Parcel, PeerLists, Peers, Segment, SharedHeap};

#[cfg(all(target_has_atomic = "ptr", target_has_atomic = "8"))]
pub use talloc_sync::threads;
