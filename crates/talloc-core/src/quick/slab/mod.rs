//! Slabs: pieces of an arena whose blocks have one size.
//!
//! To coalesce small blocks one by one is expensive if their neighbours stay in use: each block is unlinked, linked and
//! marked. A size that a heap allocates often therefore gets slabs (Bonwick 1994). A slab counts its blocks in use and
//! links the free ones. A slab without blocks in use returns to the arena as one chunk, unless no other slab of the size
//! has free blocks. The blocks of a slab are neighbours, and a heap that allocates again after many frees gets them
//! together, as in mimalloc (Leijen et al. 2019), instead of blocks from all over the heap.
//!
//! Slabs are behind the [quick lists](super). A list that is empty gets the free blocks of a slab, and a list that
//! overflows gives blocks back to their slabs.
//!
//! To the arena, a slab is an allocated block. Its [`Slab`] lies outside of the arena, in a table with an entry for each
//! [`SLAB`] bytes. The table also tells slabs from other memory. It lies below the memory of all heaps, in descending
//! order: `whole`, the pointer to that memory, also points to the table's end.

mod check;
mod entry;
#[cfg(test)]
pub(crate) mod sabotage;
mod slabs;

pub use entry::Slab;
pub(crate) use entry::is_in_slab;
pub use slabs::Slabs;
pub(crate) use slabs::{Chain, Freed};

use super::class;
use crate::granule::GRANULE;

/// The bytes and the alignment of a slab. The smallest page of most systems has as many, so the system can have the memory
/// of any slab that is empty.
pub const SLAB: usize = 4096;

/// The granules of a slab.
pub(crate) const SLAB_LEN: usize = SLAB / GRANULE;

/// Blocks of fewer granules than this may lie in slabs. Slabs of larger blocks save little work, and hold more memory that
/// other sizes cannot use (`cargo xtask bench hosted`).
pub(crate) const SLAB_CLASSES: usize = class::EXACT / 2 + 1;
