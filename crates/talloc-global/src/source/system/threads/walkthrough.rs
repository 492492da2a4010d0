//! A walkthrough of a request to [`SystemTalloc`]: from `GlobalAlloc` to the operating system.
//!
//! This module has only documentation. Three walkthroughs, one in each crate, follow a request: this one, then
//! `threads/walkthrough.rs` of `talloc-sync` ([`Heaps`]), then `walkthrough.rs` of `talloc-core` ([`Talloc`]). Requests
//! for memory of the system lead back to this crate.
//!
//! # `malloc`, hit
//!
//! [`SystemTalloc::alloc`] is [`global::alloc`], which calls [`SystemTalloc::allocate`], which calls
//! [`Heaps::malloc`] of `talloc-sync` for the static [`HEAPS`]. [`Heaps::malloc`] gets the thread's shard from
//! [`System::current`], which reads a thread-local ([`current`]), and takes a block from the shard's lists.
//! [`global::alloc_zeroed`] calls [`Heaps::malloc_dirty`] instead, and clears the bytes that are not known to be zero.
//!
//! # `malloc`, miss
//!
//! `talloc-sync` enters the thread's heap, and `talloc-core` allocates from its arenas. Two cases lead back to this
//! crate:
//!
//! - A block of 128 MiB or more ([`System::APART`]) is mapped individually: [`System::allocate_apart`],
//!   [`blocks::map`], [`space::map`].
//! - A heap without a free chunk that is large enough asks its source: [`ThreadSource::acquire`].
//!   1. [`raise`] raises the arena that grows, if its slices have room: [`ArenaMut::raise_part`] calls
//!      [`commit`] for the pieces that it needs, which calls [`space::commit`] for each piece and its entries in the table
//!      of slabs ([`Range::entries`]).
//!   2. Otherwise [`ThreadSource::take_slices`] takes slices of the one range of addresses ([`Range::take`], whose
//!      first call reserves the range), and [`ArenasMut::claim_part`] makes an arena of their lower part.
//!
//! # `free`
//!
//! [`global::dealloc`] calls [`Heaps::free`], which calls back into this crate:
//!
//! - [`System::is_apart`] returns whether an address is outside of the range ([`Range::is_outside`]). If so,
//!   [`System::free_apart`] unmaps the block.
//! - [`System::owner_of`] returns the heap that owns an address ([`Range::owner_of`]). It is needed when blocks leave a
//!   thread's lists.
//! - [`System::whole`] returns a pointer with provenance over all blocks in the range.
//!
//! # `realloc`
//!
//! [`global::realloc`] makes the new layout and calls [`Heaps::resize`]. For a block that is mapped individually,
//! [`Heaps::resize`] calls [`System::resize_apart`], which resizes the mapping where the system can ([`blocks::remap`]).
//!
//! # Out of memory
//!
//! [`ThreadSource::acquire`] fails if no slices are left, or if the system does not commit them; then the slices go
//! back ([`give_up`]). `talloc-core` passes the error on to `talloc-sync`, which trims the heaps that nobody owns, tries
//! again, and finally calls [`System::allocate_apart`]. If that also fails, [`SystemTalloc::alloc`] returns null.
//!
//! # Giving back
//!
//! - A heap in use calls [`ThreadSource::tend`] from time to time. It calls [`Decay::tend`] with [`pace`] and the time
//!   ([`space::now_ms`]), and passes each piece to [`space::discard`].
//! - [`Talloc::trim`] calls [`ThreadSource::release`]. All empty arenas except the one that grows leave the heap
//!   ([`ArenasMut::reclaim_arena`]), and their memory and addresses go back ([`give_up`]). In the other arenas, the
//!   memory of large free chunks is discarded ([`ArenasMut::discard`]).
//! - [`SystemTalloc::trim`] is [`Heaps::trim`].
//! - [`exit`](super::exit) calls [`Heaps::leave`] when a thread ends, and [`Heaps::after_fork`] in the child of a
//!   fork.
//!
//! [`ArenaMut::raise_part`]: talloc_sync::ArenaMut::raise_part
//! [`current`]: mod@super::current
//! [`Decay::tend`]: talloc_sync::Decay::tend
//! [`HEAPS`]: super::HEAPS
//! [`Heaps::after_fork`]: super::Heaps::after_fork
//! [`Heaps::free`]: super::Heaps::free
//! [`Heaps::leave`]: super::Heaps::leave
//! [`Heaps::malloc_dirty`]: super::Heaps::malloc_dirty
//! [`Heaps::malloc`]: super::Heaps::malloc
//! [`Heaps::resize`]: super::Heaps::resize
//! [`Heaps::trim`]: super::Heaps::trim
//! [`Heaps`]: super::Heaps
//! [`pace`]: super::super::giving_back::pace
//! [`Range::entries`]: super::range::Range::entries
//! [`Range::is_outside`]: super::range::Range::is_outside
//! [`Range::owner_of`]: super::range::Range::owner_of
//! [`Range::take`]: super::range::Range::take
//! [`System::APART`]: super::System::APART
//! [`System::allocate_apart`]: super::System::allocate_apart
//! [`System::current`]: super::System::current
//! [`System::free_apart`]: super::System::free_apart
//! [`System::is_apart`]: super::System::is_apart
//! [`System::owner_of`]: super::System::owner_of
//! [`System::resize_apart`]: super::System::resize_apart
//! [`System::whole`]: super::System::whole
//! [`SystemTalloc::allocate`]: super::SystemTalloc::allocate
//! [`global::alloc`]: talloc_sync::shared::global::alloc
//! [`global::alloc_zeroed`]: talloc_sync::shared::global::alloc_zeroed
//! [`global::dealloc`]: talloc_sync::shared::global::dealloc
//! [`global::realloc`]: talloc_sync::shared::global::realloc
//! [`SystemTalloc::alloc`]: super::SystemTalloc::alloc
//! [`SystemTalloc::trim`]: super::SystemTalloc::trim
//! [`SystemTalloc`]: super::SystemTalloc
//! [`ArenasMut::claim_part`]: talloc_sync::ArenasMut::claim_part
//! [`ArenasMut::discard`]: talloc_sync::ArenasMut::discard
//! [`ArenasMut::reclaim_arena`]: talloc_sync::ArenasMut::reclaim_arena
//! [`Talloc::trim`]: talloc_sync::Talloc::trim
//! [`Talloc`]: talloc_sync::Talloc
//! [`ThreadSource::acquire`]: super::ThreadSource::acquire
//! [`ThreadSource::release`]: super::ThreadSource::release
//! [`ThreadSource::take_slices`]: super::ThreadSource::take_slices
//! [`ThreadSource::tend`]: super::ThreadSource::tend
//! [`blocks::map`]: super::blocks::map
//! [`blocks::remap`]: super::blocks::remap
//! [`commit`]: super::source::commit
//! [`give_up`]: super::source::give_up
//! [`raise`]: super::source::raise
//! [`space::commit`]: super::space::commit
//! [`space::discard`]: super::space::discard
//! [`space::map`]: super::space::map
//! [`space::now_ms`]: super::space::now_ms

#[allow(unused_imports, reason = "for links to methods of these traits")]
use core::alloc::GlobalAlloc;
#[allow(unused_imports, reason = "for links to methods of these traits")]
use talloc_sync::{Source, shared::Allocate, threads::Host};
