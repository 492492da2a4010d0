//! The way of a request through the heaps of threads: from [`Heaps`] to [`Talloc`](talloc_core::Talloc).
//!
//! This page has no code. Its links are checked with the documentation of private items. The way begins in
//! `talloc-global`, with `SystemTalloc`, and goes on in `walkthrough.rs` of `talloc-core`.
//!
//! # `malloc`, hit
//!
//! 1. [`Heaps::malloc`] compares the size with [`exact_bytes`]: up to that, each size has a list of its own.
//! 2. [`pop`] takes the first block of the list. [`Host::current`] is the thread's shard, [`Shard::cache`] its
//!    lists, and [`Lists::pop_at`] unlinks the block. No lock is taken, and no atomic operation is done. The shards
//!    of threads that have none yet, and of guests, have lists that are always empty.
//!
//! # `malloc`, miss
//!
//! 1. [`Heaps::malloc_slow`] looks at the list of a larger size, of up to 32 KiB. A block of [`Host::APART`] bytes or
//!    more, or that is aligned to more than [`MAX_ALIGN`], gets memory of its own ([`Host::allocate_apart`]).
//! 2. [`Heaps::with`] finds the caller's heap:
//!    - A thread that owns a shard uses that: [`Heaps::own`].
//!    - A thread that allocates for the first time gets one: [`Heaps::settle`] claims a shard that another
//!      thread has left, or a fresh one, and asks to hear of the thread's end ([`Host::watch_exit`]).
//!    - A guest shares a heap behind a lock: [`Heaps::as_guest`].
//! 3. [`Shard::with`] enters the heap ([`Entry::enter`]), which waits while somebody else has it. Then it takes back
//!    some of the blocks that have come home ([`Shard::take_back`], from the [`Inbox`]), and trims the heap if another
//!    thread has asked for that.
//! 4. [`Talloc::malloc`] goes on, in `talloc-core`. Its lists may have a block now.
//! 5. [`Entry::exit`] lets others in.
//!
//! # `free`
//!
//! 1. [`Heaps::free`] computes the block's length from its layout, and pushes it on the caller's list
//!    ([`Heaps::push`], [`Lists::push_at`]), whichever heap it comes from.
//! 2. If the lists hold too much, or it is time for a [pulse](talloc_core::Lists::is_pulse):
//!    [`Heaps::overflow`] enters the heap, and [`Talloc::relieve`] gives up some blocks.
//! 3. All that has no such list: [`Heaps::free_slow`] asks the address whether the block has memory of its own
//!    ([`Host::is_apart`], [`Host::free_apart`]). Others go on their list or, by [`Talloc::free`], to the arenas.
//! 4. A block of another heap is a stray. The heap collects strays in parcels, and [`Home`] passes a full
//!    one to [`Heaps::deliver`], which pushes it to its owner's inbox ([`Inbox::push`]). If nobody owns that
//!    heap, the sender takes the blocks back itself ([`delivery::send`], [`Shard::visit`]).
//!
//! # `realloc`
//!
//! 1. [`Heaps::resize`] returns the block as it is if the new size takes as many granules.
//! 2. A small block that stays one moves: [`Heaps::relocate`] is `malloc`, a copy and `free`, which the lists serve.
//! 3. [`Heaps::resize_slow`] asks the owner of the block: [`Host::resize_apart`] for a block with memory of its
//!    own, [`Talloc::resize_own`] for one of the caller's heap. If neither can, or the block is another heap's, or
//!    it becomes one with memory of its own, it moves.
//! 4. A smaller size does not fail: if there is no memory to move to, the block stays.
//!
//! # Out of memory
//!
//! When [`Talloc::malloc`] fails, its source has nothing more. [`Heaps::malloc_slow`] then has the heaps that nobody owns
//! give up their free memory ([`Heaps::give_up_idle`]) and attempts it again. At last, a block of
//! [`MIN_APART`] bytes or more gets memory of its own ([`allocate_at_last`]).
//!
//! # Giving back
//!
//! - Each heap gives back free memory that it does not need, while it is used: see the page of `talloc-core`.
//! - [`Heaps::trim`] trims the caller's heap, that of guests and those that nobody owns at once ([`shard_trim`]). It
//!   asks all others to do so when they are next entered, in [`Shard::with`].
//! - A thread that ends calls [`Heaps::leave`]: [`Shard::empty`] gives all cached blocks back to where they belong,
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
//! [`pop`]: super::operations::pop
//! [`shard_trim`]: super::shard_trim
