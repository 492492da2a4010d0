//! What a heap asks of its quick lists.

use core::ptr::NonNull;

use super::slab::Slabs;
use super::{Segment, class, next, sealed};
use crate::checks::LinkKey;

/// Quick lists, for [`Config::Quick`](crate::Config::Quick).
pub trait Lists: sealed::Sealed + 'static {
    /// Lists that hold nothing, and may hold nothing.
    const EMPTY: Self;
    /// How many lists there are.
    #[doc(hidden)]
    const LISTS: usize;
    /// Blocks of fewer granules than this have a list.
    const CLASSES: usize;
    /// The most bytes that the quick lists may hold. They may hold less, depending on the free memory:
    ///
    /// | free memory | bound of the quick lists |
    /// |---|---|
    /// | The source is [ample](crate::Source::IS_AMPLE). | an eighth of the bytes in use, but at least 512 KiB |
    /// | Half of the arena in use, or more, is free in one piece. | a sixteenth of the arenas |
    /// | Less is free in one piece. | a 128th of the first MiB and a 4096th of the rest; only small sizes are cached |
    ///
    /// While a program only frees, and half of the arena is free in one piece, the lists may exceed the bound until the
    /// program allocates again. A list that is filled from a [slab](crate::Slab) may exceed the bound by less than 4 KiB.
    const BYTES: usize;
    /// Blocks of fewer granules than this have a list for exactly their size.
    #[doc(hidden)]
    const EXACT: usize = if Self::LISTS <= class::EXACT { Self::LISTS } else { class::EXACT + 1 };

    /// Whether blocks of other heaps may be on the lists.
    #[doc(hidden)]
    const HAS_PEERS: bool = false;

    /// The same lists with encoded links. Lists that have [peers](Self::HAS_PEERS) stay as they are, as heaps with peers
    /// are not hardened.
    #[doc(hidden)]
    type Encoded<K: LinkKey>: Lists;

    /// Forgets all blocks.
    #[doc(hidden)]
    fn clear(&mut self) {}

    /// Sets the key by which links are encoded, while the lists are empty.
    #[doc(hidden)]
    fn set_key(&mut self, _bits: u64) {}

    /// The block after `block` on its list.
    ///
    /// # Safety
    ///
    /// The block is on a list.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn after(&self, block: NonNull<u8>) -> Option<NonNull<u8>> {
        // SAFETY: It is on a list.
        unsafe { next(block) }
    }

    /// The granules of a block for a request of `len` granules. All blocks of a list have the same size.
    #[doc(hidden)]
    #[inline(always)]
    fn rounded(len: usize) -> usize {
        if len >= Self::EXACT && len < Self::CLASSES { class::rounded(len) } else { len }
    }

    /// The sizes of blocks on lists, in granules.
    #[doc(hidden)]
    fn sizes() -> impl Iterator<Item = usize> {
        (1..Self::LISTS).map(class::len_of)
    }

    /// [`classes`](Self::classes), but no more than `EXACT`, of lists that other threads may read.
    ///
    /// # Safety
    ///
    /// Nobody changes them meanwhile.
    #[doc(hidden)]
    unsafe fn exact_classes_at(this: *const Self) -> usize;

    /// [`classes`](Self::classes) of lists that other threads may read.
    ///
    /// # Safety
    ///
    /// Nobody changes them meanwhile.
    #[doc(hidden)]
    unsafe fn classes_at(this: *const Self) -> usize;

    /// [`pop`](Self::pop) from lists that other threads may read while they are empty.
    ///
    /// # Safety
    ///
    /// Nobody else uses the lists, unless all of them are empty and stay so.
    #[doc(hidden)]
    unsafe fn pop_at(this: *mut Self, len: usize) -> Option<NonNull<u8>>;

    /// [`push`](Self::push), by a pointer.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push), and nobody else uses the lists.
    #[doc(hidden)]
    unsafe fn push_at(this: *mut Self, block: NonNull<u8>, len: usize) -> bool;

    /// Blocks of fewer granules than this are to be put on their lists: no more than `CLASSES`.
    #[doc(hidden)]
    #[inline(always)]
    fn classes(&self) -> usize {
        // SAFETY: They are borrowed.
        unsafe { Self::classes_at(self) }
    }

    /// Sets [`classes`](Self::classes), to no more than `CLASSES`.
    #[doc(hidden)]
    fn set_classes(&mut self, classes: usize);

    /// Takes a block of `len` granules from its list.
    #[doc(hidden)]
    #[inline(always)]
    fn pop(&mut self, len: usize) -> Option<NonNull<u8>> {
        // SAFETY: They are borrowed mutably.
        unsafe { Self::pop_at(self, len) }
    }

    /// Takes a block of `len` granules from its list whose address has no bit of `mask`. Examines only the first few
    /// blocks. The links are not encoded.
    #[doc(hidden)]
    fn pop_aligned(&mut self, len: usize, mask: usize) -> Option<NonNull<u8>>;

    /// Puts a block of `len` granules on its list. `len` is below `CLASSES`, and [rounded](Self::rounded). Returns
    /// whether the lists now hold too much, or a [pulse](Self::is_pulse) is due.
    ///
    /// # Safety
    ///
    /// Nobody else uses the block's memory until the block is popped.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn push(&mut self, block: NonNull<u8>, len: usize) -> bool {
        // SAFETY: They are borrowed mutably, and the caller gives up the block.
        unsafe { Self::push_at(self, block, len) }
    }

    /// Puts all blocks of a segment on the list of their size, which has one. Returns the same as [`push`](Self::push).
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push), of each of the blocks.
    #[doc(hidden)]
    unsafe fn splice(&mut self, segment: Segment) -> bool;

    /// The first block of a list.
    #[doc(hidden)]
    fn first(&self, len: usize) -> Option<NonNull<u8>>;

    /// Granules in the lists.
    #[doc(hidden)]
    fn cached(&self) -> usize;

    /// [`cached`](Self::cached) of lists that another thread may use at the same time.
    ///
    /// # Safety
    ///
    /// `this` points to lists, which all threads access through raw pointers only.
    #[doc(hidden)]
    unsafe fn cached_at(this: *const Self) -> usize;

    #[doc(hidden)]
    fn limit(&self) -> usize;

    #[doc(hidden)]
    fn set_limit(&mut self, granules: usize);

    #[doc(hidden)]
    fn least(&self) -> usize;

    #[doc(hidden)]
    fn set_least(&mut self, granules: usize);

    /// The size of the blocks of the next list, in turn, that is not empty.
    #[doc(hidden)]
    fn turn(&mut self) -> usize;

    /// Whether a pulse is due: as many blocks have been pushed as [`set_pulse`](Self::set_pulse) was told. A push then
    /// returns true, even if the lists do not hold too much. So the source is also called while the lists serve all
    /// requests.
    #[doc(hidden)]
    #[inline(always)]
    fn is_pulse(&self) -> bool {
        false
    }

    #[doc(hidden)]
    #[inline(always)]
    fn set_pulse(&mut self, _pushes: u32) {}

    #[doc(hidden)]
    fn overflows(&self) -> u16;

    #[doc(hidden)]
    fn set_overflows(&mut self, times: u16);

    /// If there are [peers](Self::HAS_PEERS), a pointer with provenance over the arenas of all heaps.
    #[doc(hidden)]
    #[inline(always)]
    fn whole() -> *mut u8 {
        core::ptr::null_mut()
    }

    /// Sets the number of the heap among its peers.
    #[doc(hidden)]
    fn set_number(&mut self, _number: u8) {}

    /// Whether a block belongs to a heap. Lists may also hold blocks that are mapped individually.
    #[doc(hidden)]
    #[inline(always)]
    fn has_home(_block: NonNull<u8>) -> bool {
        true
    }

    /// Whether a block is another heap's.
    #[doc(hidden)]
    #[inline(always)]
    fn is_stray(&self, _block: NonNull<u8>) -> bool {
        false
    }

    /// Sends a block of `len` granules to the heap that it belongs to, at once or later.
    ///
    /// # Safety
    ///
    /// It is a block of a peer, and nobody uses it. The pointer is valid for all of it.
    #[doc(hidden)]
    unsafe fn send(&mut self, _block: NonNull<u8>, _len: usize) {}

    /// Sends the blocks that wait for others.
    #[doc(hidden)]
    fn send_all(&mut self) {}

    /// Whether the lists are those of a thread that only frees blocks of other heaps.
    #[doc(hidden)]
    fn is_consumer(&self) -> bool {
        false
    }

    /// If small blocks may lie in [slabs](super::slab): how many granules of a size a heap takes from its arenas before
    /// that size gets slabs.
    #[doc(hidden)]
    const SLABS_FROM: Option<u16> = None;

    /// The slabs, if small blocks may lie in slabs.
    #[doc(hidden)]
    #[inline(always)]
    fn slabs(&self) -> Option<&Slabs> {
        None
    }

    /// [`slabs`](Self::slabs), to change them.
    #[doc(hidden)]
    #[inline(always)]
    fn slabs_mut(&mut self) -> Option<&mut Slabs> {
        None
    }

    /// If the list of blocks of `len` granules is empty, puts the free blocks of a slab on it, if one has any.
    ///
    /// # Safety
    ///
    /// Nobody else uses the lists, unless all of them are empty and stay so.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn refill_at(_this: *mut Self, _len: usize) {}

    /// Granules of slabs that are not blocks in use or on lists.
    ///
    /// # Safety
    ///
    /// As for [`cached_at`](Self::cached_at).
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn spare_at(_this: *const Self) -> usize {
        0
    }

    /// Notes that the lists hold too much, and the block freed last is another heap's.
    #[doc(hidden)]
    fn note_strays(&mut self) {}

    /// Notes that the arenas are asked for a block.
    #[doc(hidden)]
    #[inline(always)]
    fn note_request(&mut self) {}
}
