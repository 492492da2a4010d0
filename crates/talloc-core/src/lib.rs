//! A heap for `no_std`: dlmalloc's boundary tags and bins, but no header on any block.
//!
//! [`Talloc`] allocates from *arenas*, pieces of memory that it is given. It is not thread-safe and
//! needs no lock where there is one thread; behind a lock it is a global allocator (`Tallock`, with
//! the feature `lock_api`), and more of that is in `talloc-sync` and `talloc-global`.
//!
//! ```
//! use core::alloc::Layout;
//! use talloc_core::{Span, Talloc};
//!
//! let mut memory = [0_u8; 10_000];
//! let mut heap = Talloc::new();
//! let page = Layout::from_size_align(4096, 4096).unwrap();
//! // SAFETY: The memory is the heap's until neither is used any more.
//! let block = unsafe {
//!     heap.init(Span::from(&mut memory));
//!     heap.malloc(page)?
//! };
//! assert_eq!(block.addr().get() % 4096, 0);
//! assert_eq!(heap.verify().unwrap().used_bytes, 4096);
//! # Ok::<(), talloc_core::AllocError>(())
//! ```
//!
//! # How it works
//!
//! A *granule* is 8 bytes, the unit of sizes. A *chunk* is a run of granules, used or free. Who
//! frees a block says how large it is, so that nothing need be kept of a used chunk: a block of 40
//! bytes takes 40. What must be known to coalesce is whether the chunks below and above are free,
//! and that is one bit per granule, out of line, 1/64 of the arena:
//!
//! ```text
//!         used       free                   used       free     used
//! bits    0  0  0    1  0  0  0  0  0  1    0  0  0    1  1     0  0  0
//! memory  payload    size next prev.. size  payload    size..   payload
//! ```
//!
//! A bit is set for the first and the last granule of each free chunk. So the bit below a block
//! tells whether a free chunk ends there, whose size stands in its last word; the bit above tells
//! whether one starts there, whose size stands in its first. Free chunks of similar size are linked
//! in a *bin*; a map with a bit per bin finds the first that has any. Small blocks that are freed
//! go to *quick lists* first. What lies above all chunks of an arena is its *top*: free, but in no
//! bin, carved when no bin can help.
//!
//! `walkthrough.rs` follows a request through the files, as a page of links. It is part of the documentation
//! with private items: `cargo doc -p talloc-core --document-private-items`.
//!
//! # Invariants
//!
//! [`Talloc::verify`] checks all of them. They hold between any two calls, but not within.
//!
//! | | invariant | [`Violation`]s |
//! |---|---|---|
//! | I1 | An arena's `start <= top <= end` lie in its span, and its bitmap covers them. | [`Bounds`] |
//! | I2 | A free chunk has its size at both ends, and ends below the top. | [`Size`], [`SizesDiffer`] |
//! | I3 | A granule's bit is set if and only if it is the first or the last one of a free chunk. | [`MarkMissing`], [`MarkStray`] |
//! | I4 | No two free chunks touch, and none touches the top. | [`NotCoalesced`] |
//! | I5 | A chunk in a bin links back to the one before it, the first to the bin. | [`BackLink`] |
//! | I6 | A free chunk with room for links is once in the bin of its size, and nothing else is in any bin. | [`NotInBin`], [`BinCount`] |
//! | I7 | A bin's bit in the map is set if and only if it is not empty. | [`Map`] |
//! | I8 | The arena's own chunk is used, and has room for its bitmap. | [`Own`] |
//! | I9 | The quick lists hold used blocks of the [kind](Kind) of the first arena, as many granules as they count and no more than they may. | [`CachedBlock`], [`CachedCount`] |
//! | I10 | Arenas do not overlap; those further than the first keep their structures in their own chunks, and nothing but the heap leads there. | [`ArenasOverlap`], [`NotAnArena`] |
//! | I11 | In a [`Checked`] heap, a granule has a second bit set if and only if it is the first of a block; it has both if the block is in a quick list. | [`BlockMark`], [`CachedBlock`], [`CachedCount`] |
//! | I12 | The heap counts the bytes of all blocks in use, those in quick lists included. | [`UsedCount`] |
//! | I13 | All arenas but the first are in an index, in the order of claiming, by their addresses, and by what is free in them in one piece; that of the arena where requests begin may be out of date. Each has brought a node along, and all nodes are in use or to spare. Arenas before the one where requests begin have no room for what has been asked of them in vain. | [`Index`](Violation::Index) |
//!
//! [`Bounds`]: Violation::Bounds
//! [`Size`]: Violation::Size
//! [`SizesDiffer`]: Violation::SizesDiffer
//! [`MarkMissing`]: Violation::MarkMissing
//! [`MarkStray`]: Violation::MarkStray
//! [`NotCoalesced`]: Violation::NotCoalesced
//! [`BackLink`]: Violation::BackLink
//! [`NotInBin`]: Violation::NotInBin
//! [`BinCount`]: Violation::BinCount
//! [`Map`]: Violation::Map
//! [`Own`]: Violation::Own
//! [`BlockMark`]: Violation::BlockMark
//! [`CachedBlock`]: Violation::CachedBlock
//! [`CachedCount`]: Violation::CachedCount
//! [`UsedCount`]: Violation::UsedCount
//! [`ArenasOverlap`]: Violation::ArenasOverlap
//! [`NotAnArena`]: Violation::NotAnArena
//!
//! # Profiles
//!
//! [`Config`] sets the parameters of a heap: [`Compact`], the default; [`RealTime`], which coalesces
//! at once and searches for nothing; [`Micro`], for microcontrollers; [`Tiny`], with the least code. [`OneArena`]
//! wraps any of them for a heap with one arena, which takes less code, and [`Checked`] to find what a program does wrong.
//!
//! # Complexity
//!
//! `malloc`, `free`, `grow` in place and `shrink` take a bounded number of steps, however many
//! blocks and free chunks there are, aligned requests included:
//!
//! * A request that no bin is sure to meet examines no more than [`Config::LAST_RESORT`] chunks
//!   before it fails, and none in [`RealTime`].
//! * Quick lists are bounded by [`Config::QUICK_BYTES`], unless a program frees very much without
//!   asking for anything; they are emptied in batches, and wholly before a request fails.
//! * Memory that has never been used before has its bits cleared first, a byte for each 512 bytes,
//!   once in an arena's life. With [`Config::CLEAR_AT_CLAIM`], that happens when memory is claimed,
//!   extended or moved.
//! * [`Checked`] heaps with links of 16 bits read a 512th of each block's bytes that they are passed.
//! * A [`Source`] that takes memory back may do so once in [`TEND_INTERVAL`] operations that the quick
//!   lists could not serve. By default, none does.
//! * With several arenas, that of a block and the first one that has room are found in a bounded number of steps,
//!   however many there are. To verify the heap, to walk it, and to take memory back from all of it
//!   ([`Talloc::trim`], [`ArenasMut::discard`], and [`Decay`] once in an epoch) takes time in proportion to their number.
//!
//! # Size of the code
//!
//! With an `opt-level` of `s` or `z`, functions are not inlined that are for speed, bins are computed, and
//! an aligned request looks at the first chunks of more bins. The heap is the same otherwise.
//! `cargo xtask size` weighs it.
//!
//! # Features
//!
//! * `lock_api`: `Tallock`, the heap behind any raw lock of that crate's kind.
//! * `spin`: that, and `Talloc::spin_lock`.
//! * `allocator`, `allocator-api2-03`, `allocator-api2-04`: a reference to a `Tallock` is an `Allocator` of
//!   allocator-api2 0.2, 0.3 or 0.4. `allocator_api`: of the standard library, which needs a nightly compiler.
//! * `serde`: [`Statistics`] and [`SizeClasses`] can be serialised.
//! * `defmt`: reports and errors can be printed by defmt, as texts that are not in the program.

#![no_std]
#![deny(missing_docs)]
#![cfg_attr(feature = "allocator_api", feature(allocator_api))]

#[cfg(test)]
extern crate std;

#[macro_use]
mod printed;

mod arena;
mod batch;
mod bin;
mod chunk;
mod config;
mod decay;
mod error;
mod free_chunk;
mod granule;
mod heads;
mod kind;
mod memory;
mod misuse;
mod outline;
mod quick;
mod report;
mod select;
pub mod shared;
mod size_classes;
mod source;
mod statistics;
mod talloc;
#[cfg(feature = "lock_api")]
mod tallock;
mod trie;
#[cfg(doc)]
mod walkthrough;
mod window;

pub use batch::Batch;
pub use chunk::{Chunk, ChunkKind};
pub use config::{Checked, Compact, Config, Micro, OneArena, RealTime, Tiny};
pub use decay::{Decay, Pace};
pub use error::{AllocError, ArenaError};
pub use granule::Index;
pub use heads::Heads;
pub use kind::{Kind, Kinds};
pub use memory::Memory;
pub use misuse::{Call, Fault, Misuse, OnMisuse, Panics};
pub use outline::Outline;
pub use quick::{Lists, Parcel, PeerLists, Peers, QuickLists, Segment, lists_for};
pub use report::{Report, Violation};
pub use shared::SharedHeap;
pub use size_classes::{SizeClass, SizeClasses};
pub use source::{OomHandler, Source, TEND_INTERVAL, alloc_error};
pub use statistics::Statistics;
pub use talloc::{
    ArenaMut, ArenasMut, Backend, Chunks, Inspect, Leaks, OfKinds, OwnedTalloc, SOURCE_TRIES,
    Talloc,
};
pub use talloc_span::{Align, Span};
#[cfg(feature = "lock_api")]
pub use tallock::{TallocMutex, Tallock, TallockRef};

#[cfg(all(doctest, feature = "spin"))]
mod refused;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
