//! For your own wrappers, caches and heaps.
//!
//! A wrapper of a heap implements [`SharedHeap`]. A cache in front of a heap takes blocks from the heap's [`Backend`],
//! and returns them, in a [`Batch`]. A program that gives each thread its own heap, as `SystemTalloc` does, implements
//! `threads::Host`.

pub use talloc_sync::shared::{
    self, Allocate, allocate, allocate_zeroed, deallocate, free_in_heap, grow, grow_zeroed, shrink,
};
pub use talloc_sync::{Align, Backend, Batch, Parcel, PeerLists, Peers, Segment, SharedHeap};

#[cfg(all(target_has_atomic = "ptr", target_has_atomic = "8"))]
pub use talloc_sync::threads;
