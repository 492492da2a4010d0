//! A heap for `no_std`: dlmalloc's boundary tags and bins, but no header on any block.
//!
//! [`Talloc`] allocates from *arenas*, the pieces of memory that it is given. It is for a single thread and needs no
//! lock. Behind a lock, it is a global allocator: `Tallock`, with the feature `lock_api`. `talloc-sync` and
//! `talloc-global` have further locks and ready-made global allocators.
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
//! A *granule* is 8 bytes, the unit of sizes. A *chunk* is a run of granules, used or free. The caller of `free` says
//! how large the block is, so a used chunk needs no header: a block of 40 bytes takes 40 bytes. To coalesce a chunk,
//! the heap must know whether the chunks below and above it are free. One bit per granule says so. The bits are stored
//! apart from the chunks, and take 1/64 of the arena:
//!
//! ```text
//!         used       free                   used       free     used
//! bits    0  0  0    1  0  0  0  0  0  1    0  0  0    1  1     0  0  0
//! memory  payload    size next prev.. size  payload    size..   payload
//! ```
//!
//! The bit is set for the first and the last granule of each free chunk. The bit below a block says whether a free
//! chunk ends there, and the chunk's last word is its size. The bit above says whether a free chunk starts there, and
//! the chunk's first word is its size. Free chunks of similar size are linked in a *bin*. A map with a bit per bin
//! finds the first bin that is not empty. Small blocks that are freed are cached in *quick lists*. The memory above all
//! chunks of an arena is its *top*. The top is free, but in no bin, and is carved when no bin can serve a request.
//!
//! `walkthrough.rs` follows a request through the files, as a page of links. It is in the documentation with private
//! items: `cargo doc -p talloc-core --document-private-items`.
//!
//! # Invariants
//!
//! [`Talloc::verify`] checks all of them. They hold before and after each call.
//!
//! | | invariant | [`Violation`]s |
//! |---|---|---|
//! | I1 | An arena's `start <= top <= end` lie in its span, and its bitmap covers them. | [`Bounds`] |
//! | I2 | A free chunk has its size at both ends, and ends below the top. | [`Size`], [`SizesDiffer`] |
//! | I3 | A granule's bit is set if and only if it is the first or the last one of a free chunk. | [`MarkMissing`], [`MarkStray`] |
//! | I4 | No two free chunks touch, and none touches the top. | [`NotCoalesced`] |
//! | I5 | A chunk in a bin links back to the chunk before it. The first one links back to the bin. | [`BackLink`] |
//! | I6 | A free chunk with room for links is in the bin of its size, once. Bins contain nothing else. | [`NotInBin`], [`BinCount`] |
//! | I7 | A bin's bit in the map is set if and only if it is not empty. | [`Map`] |
//! | I8 | The arena's own chunk is used, and has room for its bitmap. In a [`Hardened`] heap with canaries, it ends with one. | [`Own`], [`OwnCanary`] |
//! | I9 | The quick lists hold used blocks of the [kind](Kind) of the first arena. They hold as many granules as they count, and no more than they may, or less than a slab more. | [`CachedBlock`], [`CachedCount`] |
//! | I10 | Arenas do not overlap. All arenas except the first have their structures in their own chunks, to which only the heap has pointers. | [`ArenasOverlap`], [`NotAnArena`] |
//! | I11 | In a [`Checked`] heap, a granule's second bit is set if and only if the granule is the first of a block. Both bits are set if the block is in a quick list, or if its reuse is delayed. | [`BlockMark`], [`CachedBlock`], [`CachedCount`] |
//! | I12 | The heap's count of bytes in use is the sum of all blocks, including those in quick lists. | [`UsedCount`] |
//! | I13 | All arenas except the first are in an index by the order of claiming, by address, and by the size of a free piece. That size may be out of date for the arena where requests begin. Each arena has provided one node, and each node is in use or spare. Arenas before the one where requests begin have no room for the requests that they could not serve. | [`Index`](Violation::Index) |
//! | I14 | The memory above the highest block so far is zero from where the heap takes it for zero. [`verify`](Talloc::verify) reads its first 512 bytes. | [`NotZero`] |
//! | I15 | A slab is an allocated block of an arena. Its entry in the table counts the blocks in use, and links the free ones. A slab with free blocks is on the list of its size. If it has no blocks in use, it is alone there. | [`Slab`](Violation::Slab), [`SlabLists`], [`CachedCount`] |
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
//! [`OwnCanary`]: Violation::OwnCanary
//! [`BlockMark`]: Violation::BlockMark
//! [`CachedBlock`]: Violation::CachedBlock
//! [`CachedCount`]: Violation::CachedCount
//! [`UsedCount`]: Violation::UsedCount
//! [`ArenasOverlap`]: Violation::ArenasOverlap
//! [`NotAnArena`]: Violation::NotAnArena
//! [`NotZero`]: Violation::NotZero
//! [`SlabLists`]: Violation::SlabLists
//!
//! # Configurations
//!
//! [`Config`] has the parameters of a heap: the size of links, the bins, the quick lists, the search before a request
//! fails, when boundary bits are cleared, the number of arenas, and the checks. Some configurations have names:
//! [`Compact`], the default; [`RealTime`], which coalesces at once and never searches; [`Micro`], for microcontrollers;
//! and [`Tiny`], with the least code. Adaptors such as [`Uncached`], [`OneArena`], [`Checked`] and [`Hardened`] wrap any
//! configuration, and change one parameter.
//!
//! # Complexity
//!
//! `malloc`, `free`, `grow` in place and `shrink` take a bounded number of steps, however many blocks and free chunks
//! there are. That includes aligned requests.
//!
//! * If no bin is sure to serve a request, it examines at most [`Config::LAST_RESORT`] chunks before it fails. In
//!   [`RealTime`], it examines none.
//! * Quick lists are bounded by [`Lists::BYTES`], except while a program only frees. They are emptied in
//!   batches, and completely before a request fails.
//! * The bits of memory are cleared before its first use, which writes a 64th of its bytes. With
//!   [`Config::CLEAR_AT_CLAIM`], they are cleared when memory is claimed, extended or moved.
//! * A [`Checked`] heap with links of 16 bits reads a 512th of the bytes of each block that it is passed.
//! * A [`Hardened`] heap fills and reads up to [`Measures::fill`] bytes of each freed block. Before a request fails, it
//!   coalesces the blocks whose reuse is delayed. If its structures are found broken, it checks all of them once. If its
//!   handler says so, it repairs them. Both take time in proportion to the arenas.
//! * A [`Source`] may take memory back once in [`TEND_INTERVAL`] operations that the quick lists could not serve. The
//!   default source does not.
//! * With several arenas, a heap finds the arena of a block, and the first arena with room, in a bounded number of
//!   steps. To verify the heap, to walk it, and to take memory back from all of it ([`Talloc::trim`],
//!   [`ArenasMut::discard`], and [`Decay`] once in an epoch) takes time in proportion to the number of arenas.
//!
//! # Size of the code
//!
//! With an `opt-level` of `s` or `z`, the build scripts of this crate and of `talloc-global` set `cfg(small)`, which has
//! these effects:
//!
//! * Fewer functions are inlined.
//! * Special cases have no code of their own if the general case covers them. Requests of all alignments share a path, as
//!   do heaps of one and of several arenas. This takes time. Each arena except the first takes a few bytes more.
//! * The bin of a size is computed. Otherwise, a table says which one it is if there are more than 64 bins.
//! * An aligned request examines the first chunk of each bin from that of its size on, and not only of four. If
//!   [`Config::LAST_RESORT`] is 0, it examines none in either case.
//!
//! `cargo xtask size` measures the code.
//!
//! # Features
//!
//! * `lock_api`: `Tallock`, the heap behind any raw lock of that crate's kind.
//! * `spin`: that, and `Talloc::spin_lock`.
//! * `allocator`, `allocator-api2-03`, `allocator-api2-04`: a reference to a `Tallock` is an `Allocator` of
//!   allocator-api2 0.2, 0.3 or 0.4.
//! * `allocator_api`: the same for the standard library's trait, which needs a nightly compiler.
//! * `serde`: [`Statistics`] and [`SizeClasses`] can be serialised.
//! * `defmt`: reports and errors can be printed by defmt, which keeps the texts outside of the program.

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
mod binning;
mod checks;
mod chunk;
mod config;
mod decay;
mod error;
mod free_chunk;
mod granule;
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
pub use binning::{Binning, FewBins, FewestBins, FineBins, SizeBins};
pub use checks::{
    BlockChecks, Checks, Harden, HardenedChecks, KnowsBlocks, Measures, Standard, Unchecked,
};
pub use chunk::{Chunk, ChunkKind};
#[doc(hidden)]
pub use config::Level;
pub use config::{
    Checked, Cleared, Compact, Config, Hardened, Micro, OneArena, RealTime, Searching, Tiny,
    Uncached, WithBins, WithIndex, WithQuick,
};
pub use decay::{Decay, Pace};
pub use error::{AllocError, ArenaError};
pub use granule::Index;
pub use kind::{Kind, Kinds};
pub use memory::Memory;
pub use misuse::{Call, Fault, Misuse, OnMisuse, Panics};
pub use outline::Outline;
pub use quick::{
    Lists, NoQuickLists, Parcel, PeerLists, Peers, QuickLists, SLAB, Segment, Slab, lists_for,
};
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
