//! How a request runs through this crate: from [`Talloc`](crate::Talloc) down to the boundary bits.
//!
//! This page has no code. rustdoc checks its links when it documents private items, so the names are up to date. A
//! request to the heap of a thread starts in `talloc-global` and passes through `talloc-sync`. Each section says where
//! such a request enters this crate.
//!
//! # `malloc`, hit
//!
//! A thread takes a block from its own lists without entering the heap: [`Lists::pop_at`] unlinks the first block.
//! [`PeerLists`](crate::PeerLists) forward it to the [`QuickLists`](crate::QuickLists) that they contain. For all other
//! heaps, [`Talloc::malloc`] does the same:
//!
//! 1. [`Arena::block_len`] rounds the size up to granules, and to a size that has a list
//!    ([`Lists::rounded`]).
//! 2. [`Talloc::pop`] unlinks the first block of that list. In a checked heap, [`Talloc::note_reuse`] marks it as
//!    used.
//!
//! # `malloc`, miss
//!
//! 1. [`Talloc::allocate_uncached`] informs the policy of the lists that the arenas are asked
//!    ([`Talloc::note_demand`], in `limits.rs`), and lets the source take memory back once in a while
//!    ([`Talloc::tend`]; see below).
//! 2. [`Talloc::allocate_from_arenas`] chooses a way by the alignment and the size. Each way asks the *recent* arena,
//!    which is the first one that may have room ([`Arenas::recent`]):
//!    - If the block is aligned to more than a granule, [`Talloc::allocate_aligned`] looks at a few blocks of
//!      the list ([`Talloc::pop_aligned`]), then at the bins and the top ([`Arena::allocate_aligned`]).
//!    - If the size has a list of its own and the source is [ample](crate::Source::IS_AMPLE),
//!      [`Talloc::allocate_run`] takes a block from a slab, if the size has slabs ([`Talloc::allocate_from_slab`]; see
//!      below). Other sizes get a run of blocks from one chunk ([`Arena::take_run_from_bins`]), or from the
//!      top ([`Arena::take_run`]). [`Talloc::hand_out_run`] returns one block and puts the others on the list.
//!    - Otherwise, [`Talloc::allocate_from_bins`] asks the bins. If they have no chunk,
//!      [`Talloc::allocate_beyond_bins`] splits the top: several blocks for a size that has a list
//!      ([`Talloc::refill`]), one block for other sizes ([`Talloc::take_top`]).
//!
//!    Before a run or a refill uses memory for the first time, [`Talloc::recycle`] coalesces blocks of lists that hold
//!    more than is needed soon, and asks the bins again.
//! 3. If there is no room, [`Talloc::allocate_last`] goes on: see [below](#out-of-memory).
//!
//! A size that is often asked for has [slabs](crate::quick::slab). [`Lists::refill_at`] puts the free blocks of a slab on the
//! list of their size ([`Slabs::take_at`]). The heap of a thread does so before it is entered. If all slabs of the size are
//! full, [`Talloc::allocate_from_slab`] allocates the memory for another one, and [`Slabs::add`] makes it a slab.
//!
//! In the arena:
//!
//! 1. [`Arena::fit`] finds a bin. [`BinIndex::of_chunk`] computes the bin of the size. If the first chunk of that bin is
//!    too small ([`Bins::first_size`]), [`Bins::first_bin_from`] looks up the next bin that is not empty in the map.
//! 2. [`Arena::pop`] unlinks the bin's first chunk ([`Bins::pop`]).
//! 3. [`Arena::split`] clears and sets the boundary bits ([`Bits::clear`], [`Bits::set`]). The remainder goes to the
//!    bin of its size ([`Bins::push_rest`]).
//! 4. If the block comes from the top, [`Arena::take_top`] raises the start of the top instead, and clears the bits of
//!    memory that is used for the first time ([`Arena::clear_bits`]).
//! 5. [`Arena::hand_out`] makes a pointer. In a checked heap, it also marks the block. [`Arenas::count_taken`] counts
//!    the bytes.
//!
//! # `free`
//!
//! A thread puts a block on its own list without entering the heap ([`Lists::push_at`]). If the lists hold too much, it
//! calls [`Talloc::relieve`], which is [`Talloc::overflow`]. For all other heaps, [`Talloc::free`] does the same:
//!
//! 1. A checked heap compares the call with its marks ([`Talloc::knows`]), and reports a misuse.
//! 2. [`Talloc::free_known`] chooses by the size. If the size is cached now, the block goes on its list
//!    ([`Talloc::put_on_list`]), and [`Talloc::overflow`] follows if the lists hold too much. All other blocks go to
//!    [`Talloc::release_or_send`].
//! 3. [`Talloc::release_or_send`] finds out which heap owns the block. If it is a stray, a block of a peer, it is added
//!    to a parcel ([`Lists::send`]). A full parcel is [delivered](crate::Peers::deliver).
//! 4. A block of the heap itself goes back to its slab, if it is in one ([`Talloc::free_to_slab`], [`Slabs::free`]). A slab
//!    without blocks in use goes back to its arena, unless no other slab of its size has free blocks.
//! 5. All other blocks go back to their arenas: [`Talloc::release`] and [`Arena::release`]. The latter reads in
//!    the bits whether the neighbours are free ([`Arena::merge_above`], [`Arena::merge_below`]). It takes free
//!    neighbours out of their bins ([`Bins::unlink`]), and puts the coalesced chunk in the bin of its size
//!    ([`Bins::push`]). A chunk that touches the top becomes part of the top.
//!
//! [`Talloc::overflow`] makes room in the lists ([`Talloc::make_room`]). Either the lists may hold more from now on
//! ([`Talloc::may_hold_more`]), or two batches go back to the slabs and arenas ([`Talloc::flush_list`]): one of this
//! size, and one of another size, by turns. Adjacent blocks go back as one piece. On a [pulse](crate::Lists::is_pulse),
//! [`Talloc::overflow`] is called, too, but only lets the source take memory back.
//!
//! [`Backend::take_back`] takes the blocks that a peer has sent, one [segment](crate::Segment) of blocks of one size at
//! a time. It reads the blocks of a long segment side by side ([`Segment::fetch`]), because they are in the cache of
//! another processor.
//!
//! # `realloc`
//!
//! [`Talloc::realloc`] tries these ways in order. The first two need no search, and are in [`Talloc::resize_known`]:
//!
//! 1. [`Talloc::exchange`] moves a small block to a cached one of the new size.
//! 2. [`Talloc::reshape_block`] changes the size in place: [`Arena::grow`] takes granules of the free chunk above,
//!    or of the top; [`Arena::release_tail`] frees the end of a block that shrinks.
//! 3. If the source [extends](crate::Source::EXTENDS) its last arena, [`Talloc::extend_under`] asks it for the bytes that
//!    are lacking.
//! 4. Otherwise the block moves: [`Talloc::malloc`], a copy, and [`Talloc::free_moved`].
//!
//! The heap of a thread calls only [`Talloc::resize_own`], which is the second and the third step. `talloc-sync` moves
//! its blocks.
//!
//! # Out of memory
//!
//! 1. [`Talloc::allocate_last`] searches the bins that may have a chunk that is large enough
//!    ([`Arena::last_resort`]), then the other arenas ([`Talloc::allocate_elsewhere`]).
//! 2. [`Talloc::acquire`] refuses a size that no arena can hold. It asks an ample source at once
//!    ([`Source::acquire`]), unless the lists hold idle blocks.
//! 3. If the source is not ample, or did not help, [`Talloc::coalesce_for`] empties the lists batch by batch. It attempts
//!    the request again whenever a free chunk is large enough. In the end it gives up empty slabs, and moves arenas' own
//!    chunks out of the way ([`Talloc::tidy`]). The last attempt also gets any block of a slab that is large enough
//!    ([`Talloc::allocate_spare`]). If the request still fails, the source is asked. The step is repeated up to
//!    [`SOURCE_TRIES`](crate::SOURCE_TRIES) times.
//! 4. The source adds memory by [`ArenasMut::claim_as`], [`ArenaMut::extend`], [`ArenasMut::claim_part`] or
//!    [`ArenaMut::raise_part`]. Each of them ends with [`Talloc::limit_quick`], which sets the limits of the lists.
//!
//! # A hardened heap
//!
//! 1. [`Talloc::malloc`] calls [`Talloc::guarded`], which allocates as above and writes the canary ([`Talloc::seal`]).
//!    A cached block is taken only if its marks say that it is one, and if it is as it was filled
//!    ([`Talloc::pop_sound`]). A free chunk is taken only if its marks, sizes and links agree ([`Arena::chunk_at`]).
//! 2. [`Talloc::free`] compares the canary, too ([`Talloc::knows`]). [`Talloc::retire`] fills the block and puts it in
//!    the queue. [`Talloc::let_go`] puts the block that has waited longest on its list, or coalesces it.
//! 3. What was found is reported when the operation has ended ([`Talloc::settle`]). If the heap's structures are
//!    broken, it is closed ([`Talloc::close`]), and perhaps repaired ([`Talloc::repair`]).
//!
//! # Giving back
//!
//! 1. [`Talloc::tend`] counts operations that the lists could not serve, and calls
//!    [`Source::tend`] once in [`TEND_INTERVAL`](crate::TEND_INTERVAL).
//! 2. A source that follows [`Decay`](crate::Decay) calls [`Decay::tend`]. At the end of an epoch,
//!    [`Decay::end_epoch`] compares the bytes that may be resident with the watermarks of use. [`Decay::step`] coalesces a
//!    few batches and purges a bounded part of the excess: [`Talloc::purge`], [`Arena::purge`].
//! 3. [`Arena::purge`] takes the highest dirty piece of the top first, then free chunks, from the largest bin
//!    down. Memory above all blocks that is zero again counts as never used ([`Arena::renew`]).
//! 4. [`Talloc::trim`] gives all free memory back at once: [`Talloc::flush`], then [`Source::release`], which calls
//!    [`ArenasMut::reclaim_arena`] and [`ArenasMut::discard`].
//!
//! [`Arena::allocate_aligned`]: crate::arena::Arena::allocate_aligned
//! [`Arena::block_len`]: crate::arena::Arena::block_len
//! [`Arena::chunk_at`]: crate::arena::Arena::chunk_at
//! [`Arena::clear_bits`]: crate::arena::Arena::clear_bits
//! [`Arena::fit`]: crate::arena::Arena::fit
//! [`Arena::grow`]: crate::arena::Arena::grow
//! [`Arena::hand_out`]: crate::arena::Arena::hand_out
//! [`Arena::last_resort`]: crate::arena::Arena::last_resort
//! [`Arena::merge_above`]: crate::arena::Arena::merge_above
//! [`Arena::merge_below`]: crate::arena::Arena::merge_below
//! [`Arena::pop`]: crate::arena::Arena::pop
//! [`Arena::purge`]: crate::arena::Arena::purge
//! [`Arena::release_tail`]: crate::arena::Arena::release_tail
//! [`Arena::release`]: crate::arena::Arena::release
//! [`Arena::renew`]: crate::arena::Arena::renew
//! [`Arena::split`]: crate::arena::Arena::split
//! [`Arena::take_run_from_bins`]: crate::arena::Arena::take_run_from_bins
//! [`Arena::take_run`]: crate::arena::Arena::take_run
//! [`Arena::take_top`]: crate::arena::Arena::take_top
//! [`ArenaMut::extend`]: crate::ArenaMut::extend
//! [`ArenaMut::raise_part`]: crate::ArenaMut::raise_part
//! [`Arenas::count_taken`]: crate::talloc::arenas::Arenas::count_taken
//! [`Arenas::recent`]: method@crate::talloc::arenas::Arenas::recent
//! [`ArenasMut::claim_as`]: crate::ArenasMut::claim_as
//! [`ArenasMut::claim_part`]: crate::ArenasMut::claim_part
//! [`ArenasMut::discard`]: crate::ArenasMut::discard
//! [`ArenasMut::reclaim_arena`]: crate::ArenasMut::reclaim_arena
//! [`Backend::take_back`]: crate::Backend::take_back
//! [`BinIndex::of_chunk`]: crate::bin::BinIndex::of_chunk
//! [`Bins::first_bin_from`]: crate::bin::Bins::first_bin_from
//! [`Bins::first_size`]: crate::bin::Bins::first_size
//! [`Bins::pop`]: crate::bin::Bins::pop
//! [`Bins::push_rest`]: crate::bin::Bins::push_rest
//! [`Bins::push`]: crate::bin::Bins::push
//! [`Bins::unlink`]: crate::bin::Bins::unlink
//! [`Bits::clear`]: crate::arena::bits::Bits::clear
//! [`Bits::set`]: crate::arena::bits::Bits::set
//! [`Decay::end_epoch`]: crate::Decay::end_epoch
//! [`Decay::step`]: crate::Decay::step
//! [`Decay::tend`]: crate::Decay::tend
//! [`Lists::pop_at`]: crate::Lists::pop_at
//! [`Lists::push_at`]: crate::Lists::push_at
//! [`Lists::refill_at`]: crate::Lists::refill_at
//! [`Lists::rounded`]: crate::Lists::rounded
//! [`Lists::send`]: crate::Lists::send
//! [`Segment::fetch`]: crate::Segment::fetch
//! [`Slabs::add`]: crate::quick::slab::Slabs::add
//! [`Slabs::free`]: crate::quick::slab::Slabs::free
//! [`Slabs::take_at`]: crate::quick::slab::Slabs::take_at
//! [`Source::acquire`]: crate::Source::acquire
//! [`Source::release`]: crate::Source::release
//! [`Source::tend`]: crate::Source::tend
//! [`Talloc::acquire`]: crate::Talloc::acquire
//! [`Talloc::allocate_aligned`]: crate::Talloc::allocate_aligned
//! [`Talloc::allocate_beyond_bins`]: crate::Talloc::allocate_beyond_bins
//! [`Talloc::allocate_elsewhere`]: crate::Talloc::allocate_elsewhere
//! [`Talloc::allocate_from_arenas`]: crate::Talloc::allocate_from_arenas
//! [`Talloc::allocate_from_bins`]: crate::Talloc::allocate_from_bins
//! [`Talloc::allocate_from_slab`]: crate::Talloc::allocate_from_slab
//! [`Talloc::allocate_last`]: crate::Talloc::allocate_last
//! [`Talloc::allocate_run`]: crate::Talloc::allocate_run
//! [`Talloc::allocate_spare`]: crate::Talloc::allocate_spare
//! [`Talloc::allocate_uncached`]: crate::Talloc::allocate_uncached
//! [`Talloc::close`]: crate::Talloc::close
//! [`Talloc::coalesce_for`]: crate::Talloc::coalesce_for
//! [`Talloc::exchange`]: crate::Talloc::exchange
//! [`Talloc::extend_under`]: crate::Talloc::extend_under
//! [`Talloc::flush_list`]: crate::Talloc::flush_list
//! [`Talloc::flush`]: crate::Talloc::flush
//! [`Talloc::free_known`]: crate::Talloc::free_known
//! [`Talloc::free_moved`]: crate::Talloc::free_moved
//! [`Talloc::free_to_slab`]: crate::Talloc::free_to_slab
//! [`Talloc::free`]: crate::Talloc::free
//! [`Talloc::guarded`]: crate::Talloc::guarded
//! [`Talloc::hand_out_run`]: crate::Talloc::hand_out_run
//! [`Talloc::knows`]: crate::Talloc::knows
//! [`Talloc::let_go`]: crate::Talloc::let_go
//! [`Talloc::limit_quick`]: crate::Talloc::limit_quick
//! [`Talloc::make_room`]: crate::Talloc::make_room
//! [`Talloc::malloc`]: crate::Talloc::malloc
//! [`Talloc::may_hold_more`]: crate::Talloc::may_hold_more
//! [`Talloc::note_demand`]: crate::Talloc::note_demand
//! [`Talloc::note_reuse`]: crate::Talloc::note_reuse
//! [`Talloc::overflow`]: crate::Talloc::overflow
//! [`Talloc::pop_aligned`]: crate::Talloc::pop_aligned
//! [`Talloc::pop_sound`]: crate::Talloc::pop_sound
//! [`Talloc::pop`]: crate::Talloc::pop
//! [`Talloc::purge`]: crate::Talloc::purge
//! [`Talloc::put_on_list`]: crate::Talloc::put_on_list
//! [`Talloc::realloc`]: crate::Talloc::realloc
//! [`Talloc::recycle`]: crate::Talloc::recycle
//! [`Talloc::refill`]: crate::Talloc::refill
//! [`Talloc::release_or_send`]: crate::Talloc::release_or_send
//! [`Talloc::release`]: crate::Talloc::release
//! [`Talloc::relieve`]: crate::Talloc::relieve
//! [`Talloc::repair`]: crate::Talloc::repair
//! [`Talloc::reshape_block`]: crate::Talloc::reshape_block
//! [`Talloc::resize_known`]: crate::Talloc::resize_known
//! [`Talloc::resize_own`]: crate::Talloc::resize_own
//! [`Talloc::retire`]: crate::Talloc::retire
//! [`Talloc::seal`]: crate::Talloc::seal
//! [`Talloc::settle`]: crate::Talloc::settle
//! [`Talloc::take_top`]: crate::Talloc::take_top
//! [`Talloc::tend`]: crate::Talloc::tend
//! [`Talloc::tidy`]: crate::Talloc::tidy
//! [`Talloc::trim`]: crate::Talloc::trim
