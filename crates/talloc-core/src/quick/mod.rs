//! Quick lists: caches of freed blocks that have not been coalesced.
//!
//! Programs free and allocate the same small sizes in bursts. A quick list holds freed blocks of one size, last in,
//! first out. Reusing such a block touches neither bits nor bins (Weinstock's quick fit, 1976; Lea's fast bins). To the
//! arenas, a cached block is used.
//!
//! The bytes in the lists are bounded. When a list grows beyond the bound, a batch of its blocks is coalesced,
//! neighbours together. While a program only frees, the lists may hold more. Before a request fails, all cached blocks
//! are coalesced.

mod class;
mod count;
mod parcel;
mod peers;

pub use class::lists_for;
pub use parcel::{Parcel, Segment};
pub(crate) use peers::with_provenance_of_all;
pub use peers::{PeerLists, Peers};

use core::ptr::NonNull;

use crate::checks::{LinkKey, NoKey};
use crate::granule::GRANULE;
use count::Count;

/// How many blocks of a list are examined for one that is aligned.
const ALIGNED_TRIES: usize = 4;

/// Lists for blocks of up to 512 KiB.
const MAX_LISTS: usize = lists_for(1 << 16);

/// Blocks with a list have fewer granules.
const MAX_CLASSES: usize = class::classes(MAX_LISTS);

mod sealed {
    pub trait Sealed {}
    impl<const N: usize, K> Sealed for super::QuickLists<N, K> {}
}

/// `N` quick lists.
///
/// Each size of up to 128 granules of 8 bytes has its own list. Larger sizes, up to that of the last list, are rounded
/// up to one of eight sizes in each doubling. [`lists_for`] says how many lists a largest size needs.
pub struct QuickLists<const N: usize, K = NoKey> {
    heads: [Option<NonNull<u8>>; N],
    /// Granules in the lists.
    cached: Count,
    /// Granules that the lists may hold.
    limit: usize,
    /// Granules that the lists may hold when memory is short.
    least: usize,
    /// The list from which the last batch was taken that was not of the list that grew.
    turn: u16,
    /// Blocks of fewer granules than this are put on their lists.
    classes: u32,
    /// `classes`, but no more than [`Lists::EXACT`].
    exact: u32,
    /// How often in a row the lists have held too much. The policy is in `talloc/limits.rs`.
    overflows: u16,
    /// By what the links in the blocks are encoded.
    key: K,
}

/// Quick lists, for [`Config::Quick`](crate::Config::Quick).
pub trait Lists: sealed::Sealed {
    /// Lists that hold nothing, and may hold nothing.
    const EMPTY: Self;
    /// How many lists there are.
    #[doc(hidden)]
    const LISTS: usize;
    /// Blocks of fewer granules than this have a list.
    const CLASSES: usize;
    /// Blocks of fewer granules than this have a list for exactly their size.
    #[doc(hidden)]
    const EXACT: usize = if Self::LISTS <= class::EXACT { Self::LISTS } else { class::EXACT + 1 };

    /// Whether blocks of other heaps may be on the lists.
    #[doc(hidden)]
    const HAS_PEERS: bool = false;

    /// The same lists with encoded links, if they hold blocks of one heap only.
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

    /// Notes that the lists hold too much, and the block freed last is another heap's.
    #[doc(hidden)]
    fn note_strays(&mut self) {}

    /// Notes that the arenas are asked for a block.
    #[doc(hidden)]
    #[inline(always)]
    fn note_request(&mut self) {}
}

impl<const N: usize, K: LinkKey> QuickLists<N, K> {
    /// The list of blocks of `len` granules, which have one.
    #[inline(always)]
    fn list_of(len: usize) -> usize {
        // A constant condition: in such a heap, a list has the number of its size.
        if N <= class::EXACT + 1 { len } else { class::list_of(len) }
    }

    /// The list of blocks of `len` granules, if they have one.
    #[inline(always)]
    fn list_for(len: usize) -> Option<usize> {
        (len < Self::CLASSES).then(|| Self::list_of(len))
    }
}

impl<const N: usize, K: LinkKey> Lists for QuickLists<N, K> {
    const EMPTY: Self = Self {
        heads: [None; N],
        cached: Count::zero(),
        limit: 0,
        least: 0,
        turn: 0,
        classes: 0,
        exact: 0,
        overflows: 0,
        key: K::ZERO,
    };
    const LISTS: usize = {
        assert!(N <= MAX_LISTS, "quick lists are for blocks of at most 512 KiB");
        N
    };
    const CLASSES: usize = class::classes(N);
    type Encoded<L: LinkKey> = QuickLists<N, L>;

    fn clear(&mut self) {
        self.heads = [None; N];
        self.cached.subtract(self.cached.get());
    }

    fn set_key(&mut self, bits: u64) {
        debug_assert_eq!(
            self.cached(),
            0,
            "links are encoded with the key that they are decoded with"
        );
        self.key = K::new(bits);
    }

    #[inline(always)]
    unsafe fn after(&self, block: NonNull<u8>) -> Option<NonNull<u8>> {
        // SAFETY: It is on a list.
        unsafe { next_by(self.key, block) }
    }

    #[inline(always)]
    unsafe fn classes_at(this: *const Self) -> usize {
        // A constant condition, so the compiler drops the code of heaps without lists.
        // SAFETY: The caller may read the lists.
        if N == 0 { 0 } else { unsafe { (*this).classes as usize } }
    }

    #[inline(always)]
    unsafe fn exact_classes_at(this: *const Self) -> usize {
        // As for `classes_at`.
        // SAFETY: Nobody changes the lists meanwhile, by the contract of `Lists::exact_classes_at`.
        if N == 0 { 0 } else { unsafe { (*this).exact as usize } }
    }

    fn set_classes(&mut self, classes: usize) {
        self.classes = classes.min(Self::CLASSES) as u32;
        self.exact = classes.min(Self::EXACT) as u32;
    }

    #[inline(always)]
    unsafe fn pop_at(this: *mut Self, len: usize) -> Option<NonNull<u8>> {
        let list = Self::list_for(len)?;
        // SAFETY: The head is one of the lists', which only the caller changes. A block on a list starts
        // with its link.
        unsafe {
            let head = (&raw mut (*this).heads).cast::<Option<NonNull<u8>>>().add(list);
            let block = (*head)?;
            debug_assert!(len <= (*this).cached.get(), "I9: the lists count what they hold");
            *head = next_by((*this).key, block);
            debug_assert!(*head != Some(block), "I9: a block is once on its list");
            (*this).cached.subtract(len);
            Some(block)
        }
    }

    #[inline]
    fn pop_aligned(&mut self, len: usize, mask: usize) -> Option<NonNull<u8>> {
        let mut link: *mut Option<NonNull<u8>> = self.heads.get_mut(Self::list_for(len)?)?;
        for _ in 0..ALIGNED_TRIES {
            // SAFETY: It is the head, or the link that a block on the list starts with, which is not encoded.
            let block = unsafe { link.read() }?;
            if block.addr().get() & mask == 0 {
                // SAFETY: The link is still the head, or the first word of a block on the list.
                unsafe { link.write(next(block)) };
                debug_assert!(len <= self.cached.get(), "I9: the lists count what they hold");
                self.cached.subtract(len);
                return Some(block);
            }
            link = block.cast().as_ptr();
        }
        None
    }

    #[inline(always)]
    unsafe fn push_at(this: *mut Self, block: NonNull<u8>, len: usize) -> bool {
        debug_assert!(
            Self::list_for(len).is_some() && Self::rounded(len) == len,
            "I9: the size has a list"
        );
        debug_assert!(block.addr().get() % GRANULE == 0, "a block is whole granules");
        // SAFETY: The block's size has a list. The block is at least one granule, which is aligned and has room for a
        // pointer. Only the caller uses the lists.
        unsafe {
            let head =
                (&raw mut (*this).heads).cast::<Option<NonNull<u8>>>().add(Self::list_of(len));
            debug_assert!(*head != Some(block), "I9: a block is once on its list");
            link_by((*this).key, block, *head);
            *head = Some(block);
            (*this).cached.add(len) > (*this).limit
        }
    }

    unsafe fn splice(&mut self, segment: Segment) -> bool {
        debug_assert!(Self::rounded(segment.len) == segment.len, "I9: the size has a list");
        debug_assert!(
            (segment.first == segment.last) == (segment.blocks == 1),
            "a segment of several blocks has two ends"
        );
        let head = &mut self.heads[Self::list_of(segment.len)];
        debug_assert!(*head != Some(segment.first), "I9: a block is once on its list");
        // SAFETY: The last block has room for a link, and nobody uses it.
        unsafe { link_by(self.key, segment.last, *head) };
        *head = Some(segment.first);
        self.cached.add(segment.blocks * segment.len) > self.limit
    }

    fn first(&self, len: usize) -> Option<NonNull<u8>> {
        *self.heads.get(Self::list_for(len)?)?
    }

    #[inline(always)]
    fn cached(&self) -> usize {
        // As for `classes`.
        if N == 0 { 0 } else { self.cached.get() }
    }

    unsafe fn cached_at(this: *const Self) -> usize {
        // SAFETY: Only the count is borrowed, which is atomic where there are threads.
        if N == 0 { 0 } else { unsafe { (*this).cached.get() } }
    }

    fn limit(&self) -> usize {
        self.limit
    }

    fn set_limit(&mut self, granules: usize) {
        self.limit = granules;
    }

    fn least(&self) -> usize {
        self.least
    }

    fn set_least(&mut self, granules: usize) {
        self.least = granules;
    }

    fn turn(&mut self) -> usize {
        let turn = usize::from(self.turn);
        let later = turn + 1..N;
        let mut lists = later.chain(0..N).filter(|list| self.heads[*list].is_some());
        let turn = lists.next().unwrap_or(turn);
        self.turn = turn as u16;
        class::len_of(turn)
    }

    #[inline(always)]
    fn overflows(&self) -> u16 {
        // As for `classes`.
        if N == 0 { 0 } else { self.overflows }
    }

    fn set_overflows(&mut self, times: u16) {
        self.overflows = times;
    }
}

/// The block after `block` on its quick list.
///
/// # Safety
///
/// The block is on a quick list.
#[inline(always)]
pub(crate) unsafe fn next(block: NonNull<u8>) -> Option<NonNull<u8>> {
    // SAFETY: A block on a list starts with its link.
    unsafe { block.cast::<Option<NonNull<u8>>>().read() }
}

/// [`next`], if links are encoded.
///
/// # Safety
///
/// As for [`next`].
#[inline(always)]
unsafe fn next_by<K: LinkKey>(key: K, block: NonNull<u8>) -> Option<NonNull<u8>> {
    // SAFETY: A block on a list starts with its link.
    NonNull::new(key.mix_ptr(block.addr().get(), unsafe { block.cast::<*mut u8>().read() }))
}

/// Makes `next` the block after `block`.
///
/// # Safety
///
/// The block has room for a link, and nobody uses it.
#[inline(always)]
unsafe fn link_by<K: LinkKey>(key: K, block: NonNull<u8>, next: Option<NonNull<u8>>) {
    let next = next.map_or(core::ptr::null_mut(), NonNull::as_ptr);
    // SAFETY: The block has room for a pointer, by the contract of this function.
    unsafe { block.cast::<*mut u8>().write(key.mix_ptr(block.addr().get(), next)) }
}
