//! Quick lists: caches of freed blocks that have not been coalesced.
//!
//! Programs free and allocate the same small sizes in bursts. A quick list holds freed blocks of one size, last in,
//! first out. Reusing such a block touches neither bits nor bins (Weinstock's quick fit, 1976; Lea's fast bins). To the
//! arenas, a cached block is used.
//!
//! The bytes in the lists are bounded. When a list grows beyond the bound, a batch of its blocks is coalesced,
//! neighbours together. While a program only frees, the lists may hold more. Before a request fails, all cached blocks
//! are coalesced.
//!
//! Some heaps have [slabs](slab) behind the lists: pieces of an arena whose blocks have one size, which are not coalesced
//! one by one.

mod array;
mod class;
mod count;
mod lists;
mod parcel;
mod peers;
pub(crate) mod slab;

pub use array::{NoQuickLists, QuickLists};
pub use class::lists_for;
pub use lists::Lists;
pub use parcel::{Parcel, Segment};
pub(crate) use peers::with_provenance_of_all;
pub use peers::{PeerLists, Peers};
pub use slab::{SLAB, Slab};

use core::ptr::NonNull;

/// Lists for blocks of up to 512 KiB.
const MAX_LISTS: usize = lists_for(1 << 16);

/// Blocks with a list have fewer granules.
const MAX_CLASSES: usize = class::classes(MAX_LISTS);

mod sealed {
    pub trait Sealed {}
}

/// The block after `block` on its quick list.
///
/// # Safety
///
/// The block is on a quick list.
#[inline(always)]
pub(crate) unsafe fn next(block: NonNull<u8>) -> Option<NonNull<u8>> {
    // SAFETY: A block on a list starts with its link.
    unsafe { block.cast::<Option<NonNull<u8>>>().read() }
}
