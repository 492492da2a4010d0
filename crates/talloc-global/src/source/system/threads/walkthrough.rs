//! The way of a request through [`SystemTalloc`]: from `GlobalAlloc` to the operating system.
//!
//! This page has no code. Its links are checked with the documentation of private items. Three pages make the
//! whole way, one in each crate, in the order in which a request goes: this one, then `threads/walkthrough.rs` of
//! `talloc-sync` ([`Heaps`]), then `walkthrough.rs` of `talloc-core` ([`Talloc`]). Where memory comes from and goes
//! back to, the way ends here again.
//!
//! # `malloc`, hit
//!
//! [`SystemTalloc::alloc`] is [`global::alloc`], which calls [`SystemTalloc::allocate`], which calls
//! [`Heaps::malloc`] of the one static [`HEAPS`], in `talloc-sync`. That
//! asks [`System::current`] for the thread's shard, which a thread-local ([`current`]) names, and takes a block from
//! its lists. [`global::alloc_zeroed`] gets to [`Heaps::malloc_dirty`] instead, and clears the bytes that are
//! not known to be zero.
//!
//! # `malloc`, miss
//!
//! `talloc-sync` enters the thread's heap, and `talloc-core` allocates from its arenas. Two ways lead back to this
//! crate:
//!
//! - A block of 128 MiB or more ([`System::APART`]) is a mapping of its own: [`System::allocate_apart`],
//!   [`blocks::map`], [`space::map`].
//! - A heap without room asks its source: [`ThreadSource::acquire`].
//!   1. [`raise`] raises the arena that grows, as long as its slices go on: [`ArenaMut::raise_part`] calls
//!      [`commit`] for the pieces that must be memory, which calls [`space::commit`].
//!   2. Otherwise [`ThreadSource::take_slices`] takes slices of the one range of addresses ([`Range::take`], which
//!      reserves the range at first), and [`ArenasMut::claim_part`] makes an arena of their lower part.
//!
//! # `free`
//!
//! [`global::dealloc`] gets to [`Heaps::free`]. Two questions come back here: [`System::is_apart`] tells
//! whether an address is outside of the range ([`Range::is_outside`]), and then [`System::free_apart`] unmaps the block;
//! [`System::owner_of`] tells whose slice an address is in ([`Range::owner_of`]), when blocks leave a thread's lists.
//! [`System::whole`] is the pointer that is good for all of them.
//!
//! # `realloc`
//!
//! [`global::realloc`] makes the new layout and gets to [`Heaps::resize`]. A block with memory of
//! its own comes back to [`System::resize_apart`], which has the system move its pages, where it can
//! ([`blocks::remap`]).
//!
//! # Out of memory
//!
//! [`ThreadSource::acquire`] fails if there are no slices left, or if the system makes no memory of them: then the
//! slices go back ([`give_up`]). `talloc-core` passes the error on to `talloc-sync`, which empties heaps that
//! nobody owns, tries again, and at last asks [`System::allocate_apart`]. If that fails, too,
//! [`SystemTalloc::alloc`] returns null.
//!
//! # Giving back
//!
//! - [`ThreadSource::tend`] is called once in a while by a heap that is used. It runs [`Decay::tend`] with
//!   [`pace`] and the time ([`space::now_ms`]). Each piece goes to [`space::discard`].
//! - [`ThreadSource::release`] is called by [`Talloc::trim`]: arenas in which nothing is allocated, the one that
//!   grows aside, leave the heap ([`ArenasMut::reclaim_arena`]) and give up their memory and addresses
//!   ([`give_up`]). Of the others, all large free pieces are discarded ([`ArenasMut::discard`]).
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
