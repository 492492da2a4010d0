//! The requirements of the heaps of threads for their program.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::NonNull;

use talloc_core::{Compact, Memory, Parcel, PeerLists, Peers, Source, WithQuick, lists_for};

use super::{Heaps, Shard};

/// The alignment of every block, and the unit of its size.
pub(super) const GRANULE: usize = 8;

/// A program whose threads have heaps. It provides the static with the heaps, the caller's heap, and sources of memory.
///
/// # Safety
///
/// * [`heaps`](Self::heaps) always returns the same heaps.
/// * [`current`](Self::current) returns the pointer that the calling thread last passed to
///   [`set_current`](Self::set_current), or [`Heaps::nobody`] of these heaps before that.
/// * A source claims memory only for the heap with its number. For all of this memory, [`owner_of`](Self::owner_of)
///   returns that number, and [`whole`](Self::whole) has provenance over it, as long as a block may be there.
/// * [`owner_of`](Self::owner_of) returns 255 for an address that [is apart](Self::is_apart), and a number below
///   [`SHARDS`](super::SHARDS) for any other address of a block.
/// * [`allocate_apart`](Self::allocate_apart) returns a block with at least the size and the alignment of the layout,
///   which nobody else uses. [`is_apart`](Self::is_apart) returns true for its address, and false for all blocks of heaps.
/// * [`SLABS_FROM`](Self::SLABS_FROM) and [`whole`](Self::whole) are as [`Peers`] asks.
/// * [`barrier`](Self::barrier) returns `true` only if, since the call, each thread has executed one of its
///   `compiler_fence(SeqCst)`s as if it were a `fence(SeqCst)`, or has not run.
pub unsafe trait Host: Sized + 'static {
    /// The source of memory of the heaps.
    type Source: Source<Threaded<Self>>;

    /// The size from which blocks are allocated apart from the heaps.
    const APART: usize;

    /// The initial source of a heap. It gets its number later.
    const SOURCE: Self::Source;

    /// Returns the static with all heaps.
    fn heaps() -> &'static Heaps<Self>;

    /// Returns the caller's heap.
    fn current() -> *const Shard<Self>;

    /// Sets the caller's heap.
    fn set_current(shard: *const Shard<Self>);

    /// Arranges for [`Heaps::leave`] to be called when the calling thread ends, after the thread's last use of a block.
    /// Returns whether that succeeded. It may allocate.
    fn watch_exit() -> bool;

    /// Initialises the host, when the first thread gets a heap. It may allocate.
    fn begin();

    /// Sets the number of a source's heap.
    fn number(source: &mut Self::Source, number: u8);

    /// Returns the number of the heap that a block belongs to; 255 for a block that [is apart](Self::is_apart).
    fn owner_of(addr: usize) -> u8;

    /// Returns a pointer with provenance over all memory that the sources claim.
    fn whole() -> *mut u8;

    /// See [`Peers::SLABS_FROM`].
    const SLABS_FROM: Option<usize> = None;

    /// Whether an address lies outside of all memory that the sources claim.
    fn is_apart(addr: usize) -> bool;

    /// Allocates a block apart from the heaps, all zeros.
    fn allocate_apart(layout: Layout) -> Option<NonNull<u8>>;

    /// Frees a block that is apart from the heaps.
    ///
    /// # Safety
    ///
    /// `allocate_apart` or `resize_apart` returned the block, last with this layout, and nobody uses it. The
    /// alignment may differ. A size below 64 KiB stands for 64 KiB.
    unsafe fn free_apart(block: NonNull<u8>, layout: Layout);

    /// Resizes a block that is apart, without copying it. Must succeed if the size does not grow.
    ///
    /// # Safety
    ///
    /// As for [`free_apart`](Self::free_apart), if this succeeds; `new` has the same alignment.
    unsafe fn resize_apart(block: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>>;

    /// Makes all threads pass a barrier. Returns false if the system cannot do that.
    fn barrier() -> bool;

    /// Yields the processor to other threads.
    fn pause();
}

/// The parameters of the heap of a thread.
pub type Threaded<H> =
    WithQuick<Compact, PeerLists<{ lists_for(LARGEST / GRANULE) }, { 4 << 20 }, Home<H>>>;

/// The largest size that has a quick list.
const LARGEST: usize = 32 << 10;

/// The connection between the heaps of all threads.
pub struct Home<H>(PhantomData<fn() -> H>);

// SAFETY: By the contract of `Host`, `owner_of` returns the heap of each block, and `whole` has provenance over all blocks.
// A parcel goes to the inbox of the heap that owns its blocks, and only that heap takes it out.
unsafe impl<H: Host> Peers for Home<H> {
    #[inline]
    fn owner_of(addr: usize) -> u8 {
        H::owner_of(addr)
    }

    fn deliver(owner: u8, parcel: Parcel) {
        H::heaps().deliver(owner, parcel);
    }

    #[inline(always)]
    fn whole() -> *mut u8 {
        H::whole()
    }

    const SLABS_FROM: Option<usize> = H::SLABS_FROM;
}

/// What becomes of memory that is known to be zero when it is new, and may be taken back.
pub const FRESH_MEMORY: Memory = Memory::ZEROED.union(Memory::RECLAIMABLE);
