//! A walkthrough of a request to the heaps of threads: from [`Heaps`] to [`Talloc`](talloc_core::Talloc).
//!
//! This module has only documentation. The walkthrough starts in `talloc-global`, with `SystemTalloc`, and continues in
//! `walkthrough.rs` of `talloc-core`.
//!
//! # `malloc`, hit
//!
//! 1. [`Heaps::malloc`] compares the size with [`exact_bytes`]: up to that, each size has its own list.
//! 2. [`pop`] takes the first block of the list. [`Host::current`] returns the thread's shard, [`Shard::cache`] its
//!    lists, and [`Lists::pop_at`] unlinks the block. This takes no lock, and uses no atomic operation. A thread that has
//!    not allocated yet, or a guest, has a shard whose lists are always empty.
//!
//! # `malloc`, miss
//!
//! 1. [`Heaps::malloc_slow`] fills the list of a small size from a slab of the thread's heap, if one has free blocks
//!    ([`pop_from_slab`], [`Lists::refill_at`]), and tries the lists for rounded sizes of up to 32 KiB. A block of at least
//!    [`Host::APART`] bytes, or with an alignment above [`MAX_ALIGN`], is mapped individually ([`Host::allocate_apart`]).
//! 2. [`Heaps::with`] finds the caller's heap:
//!    - A thread that owns a shard uses it: [`Heaps::own`].
//!    - A thread that allocates for the first time gets a shard: [`Heaps::settle`] claims a shard that another
//!      thread has left, or a fresh shard, and registers for the thread's end ([`Host::watch_exit`]).
//!    - A guest shares a heap behind a lock: [`Heaps::as_guest`].
//! 3. [`Shard::with`] enters the heap ([`Entry::enter`]), and waits while another thread has it. Then it takes back
//!    some blocks from the [`Inbox`] ([`Shard::take_back`]), and trims the heap if another thread has asked for that.
//! 4. [`Talloc::malloc`] of `talloc-core` continues. Its lists may have a block now.
//! 5. [`Entry::exit`] lets other threads in.
//!
//! # `free`
//!
//! 1. [`Heaps::free`] computes the block's length from its layout, and pushes it on the caller's list
//!    ([`Heaps::push`], [`Lists::push_at`]), whichever heap it comes from.
//! 2. If the lists hold too much, or it is time for a [pulse](talloc_core::Lists::is_pulse):
//!    [`Heaps::overflow`] enters the heap, and [`Talloc::relieve`] gives up some blocks.
//! 3. For blocks without such a list, [`Heaps::free_slow`] finds by the address whether the block is mapped individually
//!    ([`Host::is_apart`], [`Host::free_apart`]). Other blocks go on their list or, by [`Talloc::free`], to the arenas.
//! 4. A block of another heap is a stray. The heap collects strays in parcels. [`Home`] passes a full parcel to
//!    [`Heaps::deliver`], which pushes it to the inbox of the blocks' heap ([`Inbox::push`]). If no thread owns that
//!    heap, the sender takes the blocks back itself ([`delivery::send`], [`Shard::visit`]).
//!
//! # `realloc`
//!
//! 1. If the new size takes as many granules, [`Heaps::resize`] returns the same block.
//! 2. If the old and the new size are small, the block moves: [`Heaps::relocate`] is `malloc`, a copy and `free`, which the
//!    lists serve.
//! 3. [`Heaps::resize_slow`] calls [`Host::resize_apart`] for a block that is mapped individually, and
//!    [`Talloc::resize_own`] for a block of the caller's heap. If neither succeeds, if the block belongs to another heap,
//!    or if the new block is to be mapped individually, the block moves.
//! 4. Shrinking never fails: if there is no memory to move to, the block stays in place.
//!
//! # Out of memory
//!
//! [`Talloc::malloc`] fails if its source has no more memory. [`Heaps::malloc_slow`] then trims the heaps that no thread
//! owns ([`Heaps::give_up_idle`]), and tries again. Finally, it maps a block of at least [`MIN_APART`] bytes individually
//! ([`allocate_at_last`]).
//!
//! # Giving back
//!
//! - While a heap is in use, it returns unneeded memory: see the walkthrough of `talloc-core`.
//! - [`Heaps::trim`] at once trims the caller's heap, the heap of guests, and heaps that no thread owns ([`shard_trim`]).
//!   Other heaps are trimmed when their threads next enter them, in [`Shard::with`].
//! - A thread that ends calls [`Heaps::leave`]: [`Shard::empty`] returns all cached blocks to their heaps,
//!   [`Talloc::rest`] keeps the lists empty, and [`Entry::disown`] leaves the heap to the next thread.
//!
//! [`Entry::disown`]: super::entry::Entry::disown
//! [`Entry::enter`]: super::entry::Entry::enter
//! [`Entry::exit`]: super::entry::Entry::exit
//! [`Heaps::as_guest`]: super::Heaps::as_guest
//! [`Heaps::deliver`]: super::Heaps::deliver
//! [`Heaps::free_slow`]: super::Heaps::free_slow
//! [`Heaps::free`]: super::Heaps::free
//! [`Heaps::give_up_idle`]: super::Heaps::give_up_idle
//! [`Heaps::leave`]: super::Heaps::leave
//! [`delivery::send`]: super::delivery::send
//! [`Heaps::malloc_slow`]: super::Heaps::malloc_slow
//! [`Heaps::malloc`]: super::Heaps::malloc
//! [`Heaps::overflow`]: super::Heaps::overflow
//! [`Heaps::own`]: super::Heaps::own
//! [`Heaps::push`]: super::Heaps::push
//! [`Heaps::relocate`]: super::Heaps::relocate
//! [`Heaps::resize_slow`]: super::Heaps::resize_slow
//! [`Heaps::resize`]: super::Heaps::resize
//! [`Heaps::settle`]: super::Heaps::settle
//! [`Heaps::trim`]: super::Heaps::trim
//! [`Heaps::with`]: super::Heaps::with
//! [`Heaps`]: super::Heaps
//! [`Home`]: super::Home
//! [`Host::APART`]: super::Host::APART
//! [`Host::allocate_apart`]: super::Host::allocate_apart
//! [`Host::current`]: super::Host::current
//! [`Host::free_apart`]: super::Host::free_apart
//! [`Host::is_apart`]: super::Host::is_apart
//! [`Host::resize_apart`]: super::Host::resize_apart
//! [`Host::watch_exit`]: super::Host::watch_exit
//! [`Inbox::push`]: super::inbox::Inbox::push
//! [`Inbox`]: super::inbox::Inbox
//! [`Lists::pop_at`]: talloc_core::Lists::pop_at
//! [`Lists::push_at`]: talloc_core::Lists::push_at
//! [`Lists::refill_at`]: talloc_core::Lists::refill_at
//! [`MAX_ALIGN`]: super::operations::MAX_ALIGN
//! [`MIN_APART`]: super::operations::MIN_APART
//! [`Shard::cache`]: super::Shard::cache
//! [`Shard::empty`]: super::Shard::empty
//! [`Shard::take_back`]: super::Shard::take_back
//! [`Shard::visit`]: super::Shard::visit
//! [`Shard::with`]: super::Shard::with
//! [`Talloc::free`]: talloc_core::Talloc::free
//! [`Talloc::malloc`]: talloc_core::Talloc::malloc
//! [`Talloc::relieve`]: talloc_core::Talloc::relieve
//! [`Talloc::resize_own`]: talloc_core::Talloc::resize_own
//! [`Talloc::rest`]: talloc_core::Talloc::rest
//! [`allocate_at_last`]: super::operations::allocate_at_last
//! [`exact_bytes`]: super::operations::exact_bytes
//! [`pop_from_slab`]: super::operations::pop_from_slab
//! [`pop`]: super::operations::pop
//! [`shard_trim`]: super::shard_trim
