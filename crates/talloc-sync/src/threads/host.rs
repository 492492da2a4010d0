//! What the heaps of threads need of the program that they are in.

use core::alloc::Layout;
use core::marker::PhantomData;
use core::ptr::NonNull;

use talloc_core::{
    Compact, Config, Memory, Parcel, PeerLists, Peers, Source, Unchecked, lists_for,
};

use super::{Heaps, Shard};

/// The alignment of every block, and the unit of its size.
pub(super) const GRANULE: usize = 8;

/// A program with threads, each of which has a heap: where the heaps are, which one is the caller's, and where
/// memory comes from.
///
/// # Safety
///
/// * [`heaps`](Self::heaps) always returns the same heaps.
/// * [`current`](Self::current) returns what the calling thread has last passed to
///   [`set_current`](Self::set_current), or [`Heaps::nobody`] of these heaps before that.
/// * The sources claim memory for the heap of their number only, where [`owner_of`](Self::owner_of) names that
///   heap and where [`whole`](Self::whole) is good, and keep both so for as long as a block may be there.
/// * [`owner_of`](Self::owner_of) returns 255 for an address that [is apart](Self::is_apart), and a number below
///   [`SHARDS`](super::SHARDS) for any other address of a block.
/// * A block of [`allocate_apart`](Self::allocate_apart) lies where [`is_apart`](Self::is_apart), is as large and
///   as aligned as the layout asks, and nobody else's. A block of a heap never lies there.
/// * [`barrier`](Self::barrier) returns `true` only if, since the call, each thread has done what is as good as a
///   `fence(SeqCst)` where it has a `compiler_fence(SeqCst)`, or has not run.
pub unsafe trait Host: Sized + 'static {
    /// Where the heaps have their memory from.
    type Source: Source<Threaded<Self>>;

    /// Blocks of so many bytes and more are allocated apart from the heaps.
    const APART: usize;

    /// A source of memory, for a heap that has none yet and is told its number later.
    const SOURCE: Self::Source;

    /// All heaps.
    fn heaps() -> &'static Heaps<Self>;

    /// The caller's heap.
    fn current() -> *const Shard<Self>;

    /// Makes a heap the caller's.
    fn set_current(shard: *const Shard<Self>);

    /// Sees to it that [`Heaps::leave`] is called when the calling thread ends, after all that the thread
    /// might do with blocks. Returns whether that is so. It may allocate.
    fn watch_exit() -> bool;

    /// Gets ready to be used, when the first thread has a heap. It may allocate.
    fn begin();

    /// Tells a source the number of its heap.
    fn number(source: &mut Self::Source, number: u8);

    /// The number of the heap that a block belongs to; 255 for one that [is apart](Self::is_apart).
    fn owner_of(addr: usize) -> u8;

    /// A pointer with the provenance of all that the sources claim.
    fn whole() -> *mut u8;

    /// Whether an address lies outside of all that the sources claim.
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

    /// A barrier for all threads, if there is such a thing.
    fn barrier() -> bool;

    /// Lets other threads run.
    fn pause();
}

/// The parameters of the heap of a thread.
pub struct Threaded<H>(PhantomData<fn() -> H>);

impl<H: Host> Config for Threaded<H> {
    type Index = <Compact as Config>::Index;
    type Heads = <Compact as Config>::Heads;
    const EXACT_LOG2: u32 = Compact::EXACT_LOG2;
    const SPLIT_LOG2: u32 = Compact::SPLIT_LOG2;
    const COARSE_LOG2: u32 = Compact::COARSE_LOG2;
    type Quick = PeerLists<{ lists_for(LARGEST / GRANULE) }, Home<H>>;
    type Checks = Unchecked;
    const QUICK_BYTES: usize = 4 << 20;
    const LAST_RESORT: usize = Compact::LAST_RESORT;
}

/// Blocks of up to so many bytes have a quick list.
const LARGEST: usize = 32 << 10;

/// The heaps of all threads, to each other.
pub struct Home<H>(PhantomData<fn() -> H>);

// SAFETY: The host says where blocks belong, and what is good for all of them. A parcel goes to the inbox of the
// heap that the host names, from which only that heap takes it.
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
}

/// What becomes of memory that is known to be zero when it is new, and may be taken back.
pub const FRESH_MEMORY: Memory = Memory::ZEROED.union(Memory::RECLAIMABLE);
