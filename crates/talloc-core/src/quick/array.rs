//! Quick lists with their heads in an array.

use core::ptr::NonNull;

use super::count::Count;
use super::slab::Chain;
use super::{Lists, MAX_LISTS, Segment, class, next, sealed};
use crate::checks::{LinkKey, NoKey};
use crate::granule::GRANULE;

/// How many blocks of a list are examined for one that is aligned.
const ALIGNED_TRIES: usize = 4;

/// `N` quick lists, which hold at most `BYTES` bytes: see [`Lists::BYTES`].
///
/// Each size of up to 128 granules of 8 bytes has its own list. Larger sizes, up to that of the last list, are rounded
/// up to one of eight sizes in each doubling. [`lists_for`](super::lists_for) says how many lists a largest size needs.
pub struct QuickLists<const N: usize, const BYTES: usize, K = NoKey> {
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

/// A heap with these lists caches nothing.
pub type NoQuickLists = QuickLists<0, 0>;

impl<const N: usize, const BYTES: usize, K> sealed::Sealed for QuickLists<N, BYTES, K> {}

impl<const N: usize, const BYTES: usize, K: LinkKey> QuickLists<N, BYTES, K> {
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

    /// Makes a chain of blocks of `len` granules the list of their size, which is empty.
    ///
    /// # Safety
    ///
    /// As for [`Lists::push_at`], of each of the blocks.
    pub(super) unsafe fn set_chain_at(this: *mut Self, chain: Chain, len: usize) {
        // SAFETY: The caller has the lists, and the size has one.
        unsafe {
            debug_assert!((*this).heads[Self::list_of(len)].is_none(), "I9: the list is empty");
            (*this).heads[Self::list_of(len)] = Some(chain.first);
            (*this).cached.add(chain.blocks * len);
        }
    }
}

#[cfg(test)]
impl<const N: usize, const BYTES: usize, K: LinkKey> QuickLists<N, BYTES, K> {
    /// Makes `block` the first one of the list of `len` granules, whether or not it is on it.
    pub(crate) fn set_head(&mut self, len: usize, block: Option<NonNull<u8>>) {
        self.heads[Self::list_of(len)] = block;
    }
}

impl<const N: usize, const BYTES: usize, K: LinkKey> Lists for QuickLists<N, BYTES, K> {
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
        assert!(
            N <= MAX_LISTS,
            "`N` must be at most `lists_for(1 << 16)`: quick lists are for blocks of up to 512 KiB"
        );
        assert!((N == 0) == (BYTES == 0), "`BYTES` must be 0 if `N` is 0, and only then");
        N
    };
    const BYTES: usize = BYTES;
    const CLASSES: usize = class::classes(Self::LISTS);
    type Encoded<L: LinkKey> = QuickLists<N, BYTES, L>;

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
