//! The doubly linked lists of the bins.
//!
//! A link is the number of a granule. A number below [`MAX_BINS`] is no granule. The last chunk of a bin has
//! [`Index::NIL`] as its next link, and the first chunk has the bin's number as its previous link. Nothing in the arena
//! points at the heads, so the structure that contains them can be moved.
//!
//! A link is written to a neighbour's field, to a head, or nowhere. Conditional moves choose the place, because
//! mispredicted branches dominate the time of random workloads. The exception is [`push_rest`](Bins::push_rest), whose
//! branch is nearly always predicted.

use super::BinIndex;
use super::map::Map;
use crate::binning::{Heads, MAX_BINS};
use crate::config::{Config, HeadsOf, Level, WindowOf};
use crate::free_chunk::FreeChunk;
use crate::granule::{Index, min_linked};
use crate::select::select;

/// The free chunks of an arena by size.
pub(crate) struct Bins<C: Config> {
    map: Map,
    heads: HeadsOf<C>,
    /// Where links are written that are not needed.
    nowhere: C::Index,
    /// The size of no chunk.
    zero: C::Index,
}

impl<C: Config> Bins<C> {
    pub(crate) const EMPTY: Self = Self {
        map: Map::EMPTY,
        heads: HeadsOf::<C>::EMPTY,
        nowhere: C::Index::NIL,
        zero: C::Index::NIL,
    };

    /// Puts a chunk first in its bin.
    ///
    /// # Safety
    ///
    /// The chunk is in no bin, and has room for links. It lies in the window's memory, as do all chunks in the bins.
    #[inline(always)]
    pub(crate) unsafe fn push(&mut self, window: WindowOf<C>, chunk: FreeChunk) {
        let (at, bin) = (chunk.at(), BinIndex::of_chunk::<C>(chunk.len()));
        debug_assert!(has_links::<C>(&chunk), "I6: a chunk in a bin has links");
        debug_assert!(self.is_in_order(window, bin), "I5, I7: the bin is in order");
        let head = self.head(bin);
        // SAFETY: The bin's number is below the number of heads. The chunk has room for links, and the chunk that was
        // first, if any, lies in the window's memory (I6).
        unsafe {
            let old = head.replace(C::Index::new(at));
            self.set_prev(window, old, C::Index::new(at));
            window.write(window.next_field(at), old);
            window.write(window.prev_field(at), C::Index::new(bin.get()));
        }
        self.map.set(bin);
        debug_assert!(self.is_in_order(window, bin), "I5, I7: the bin is in order");
    }

    /// [`push`](Self::push), for the remainder of a split chunk.
    ///
    /// A request takes the smallest chunk that is large enough. Most remainders are therefore small, and their bins are
    /// seldom empty. A branch on that is cheaper than code without branches.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push).
    #[inline(always)]
    pub(crate) unsafe fn push_rest(&mut self, window: WindowOf<C>, chunk: FreeChunk) {
        if cfg!(small) {
            // SAFETY: The same conditions hold.
            return unsafe { self.push(window, chunk) };
        }
        let (at, bin) = (chunk.at(), BinIndex::of_chunk::<C>(chunk.len()));
        debug_assert!(has_links::<C>(&chunk), "I6: a chunk in a bin has links");
        debug_assert!(self.is_in_order(window, bin), "I5, I7: the bin is in order");
        let head = self.head(bin);
        // SAFETY: As in `push`.
        unsafe {
            let old = head.replace(C::Index::new(at));
            window.write(window.next_field(at), old);
            window.write(window.prev_field(at), C::Index::new(bin.get()));
            if is_no_granule(old) {
                self.map.set(bin);
            } else {
                window.write(window.prev_field(old.get()), C::Index::new(at));
            }
        }
        debug_assert!(self.is_in_order(window, bin), "I5, I7: the bin is in order");
    }

    /// Takes the first chunk out of a bin that is not empty. Returns its granule.
    ///
    /// # Safety
    ///
    /// The bin is not empty, and all chunks in it are in the window's memory.
    #[inline(always)]
    pub(crate) unsafe fn pop(&mut self, window: WindowOf<C>, bin: BinIndex) -> usize {
        debug_assert!(self.is_mapped(bin), "I7: the bin is not empty");
        debug_assert!(self.is_in_order(window, bin), "I5, I7: the bin is in order");
        let head = self.head(bin);
        // SAFETY: The head is in the heads, and leads to a chunk with links (I5).
        unsafe {
            let at = head.read().get();
            debug_assert!(
                BinIndex::of_chunk::<C>(window.size_at(at)) == bin,
                "I6: a chunk is as large as its bin says"
            );
            let next = window.read(window.next_field(at));
            head.write(next);
            self.set_prev(window, next, C::Index::new(bin.get()));
            self.map.flip_if(bin, is_no_granule(next));
            debug_assert!(self.is_in_order(window, bin), "I5, I7: the bin is in order");
            at
        }
    }

    /// Takes a chunk out of its bin.
    ///
    /// # Safety
    ///
    /// The chunk is in its bin, and all chunks there are in the window's memory.
    #[inline(always)]
    pub(crate) unsafe fn unlink(&mut self, window: WindowOf<C>, chunk: &FreeChunk) {
        // SAFETY: The chunk is in a bin, so it has links to neighbours in the window's memory, or to none (I5).
        unsafe {
            let next = window.read(window.next_field(chunk.at()));
            let prev = window.read(window.prev_field(chunk.at()));
            debug_assert!(self.is_linked(window, chunk), "I5, I6: the chunk is in its bin");
            self.set_next(window, prev, next);
            self.set_prev(window, next, prev);
            self.map.clear_if(prev.get(), is_no_granule(prev) & is_no_granule(next));
            debug_assert!(
                self.is_in_order(window, BinIndex::of_chunk::<C>(chunk.len())),
                "I5, I7: the bin is in order"
            );
        }
    }

    /// The granule of the first chunk of a bin.
    #[inline(always)]
    pub(crate) fn first(&self, bin: BinIndex) -> Option<usize> {
        // SAFETY: A bin's index is below the number of heads.
        let head = unsafe { *self.heads.as_slice().get_unchecked(bin.get()) };
        if is_no_granule(head) { None } else { Some(head.get()) }
    }

    /// The size of the first chunk of a bin, or zero if the bin is empty. Takes no branch.
    #[inline(always)]
    pub(crate) fn first_size(&self, window: WindowOf<C>, bin: BinIndex) -> usize {
        // SAFETY: A bin's index is below the number of heads.
        let head = unsafe { *self.heads.as_slice().get_unchecked(bin.get()) };
        debug_assert!(!C::ENCODED, "a hardened heap trusts no head");
        let zero = &raw const self.zero;
        let size = window.size_field(head.get()).cast_const();
        // SAFETY: What is in a bin is a free chunk (I6).
        unsafe { select(is_no_granule(head), zero, size).read() }.get()
    }

    /// The granule of the chunk after this one in its bin.
    ///
    /// # Safety
    ///
    /// The chunk is in its bin, in the window's memory.
    pub(crate) unsafe fn next(&self, window: WindowOf<C>, chunk: &FreeChunk) -> Option<usize> {
        // SAFETY: A chunk in a bin has links.
        let next = unsafe { window.read(window.next_field(chunk.at())) };
        if is_no_granule(next) { None } else { Some(next.get()) }
    }

    /// What a chunk says comes before it in its bin: a chunk's granule or the bin's number.
    ///
    /// # Safety
    ///
    /// The chunk is in its bin, in the window's memory.
    pub(crate) unsafe fn before(&self, window: WindowOf<C>, chunk: &FreeChunk) -> usize {
        // SAFETY: A chunk in a bin has links.
        unsafe { window.read(window.prev_field(chunk.at())) }.get()
    }

    /// The first bin from the `number`th on that has chunks in it.
    #[inline(always)]
    pub(crate) fn first_bin_from(&self, number: usize) -> Option<BinIndex> {
        self.map.first_from::<C>(number)
    }

    /// The last bin that has chunks in it.
    pub(crate) fn last_bin(&self) -> Option<BinIndex> {
        self.map.last::<C>()
    }

    /// Whether the map says that a bin has chunks in it.
    pub(crate) fn is_mapped(&self, bin: BinIndex) -> bool {
        self.map.get(bin)
    }

    /// Marks a bin in the map, whether or not it has chunks in it.
    #[cfg(test)]
    pub(crate) fn map_bin(&mut self, number: usize) {
        self.map.set(BinIndex::new::<C>(number).unwrap());
    }

    /// Clears the bit of a bin in the map, which is set.
    #[cfg(test)]
    pub(crate) fn unmap_bin(&mut self, bin: BinIndex) {
        self.map.flip_if(bin, true);
    }

    /// Makes `at` the first chunk of a bin, whether or not it is one.
    #[cfg(test)]
    pub(crate) fn set_head(&mut self, bin: BinIndex, at: usize) {
        self.heads.as_mut_slice()[bin.get()] = C::Index::new(at);
    }

    /// A pointer to the head of a bin.
    #[inline(always)]
    fn head(&mut self, bin: BinIndex) -> *mut C::Index {
        self.heads.as_mut_slice().as_mut_ptr().wrapping_add(bin.get())
    }

    /// Sets the link to what comes after `prev`.
    ///
    /// # Safety
    ///
    /// `prev` is a chunk with links in the window's memory, or a bin's number.
    #[inline(always)]
    unsafe fn set_next(&mut self, window: WindowOf<C>, prev: C::Index, value: C::Index) {
        let number = prev.get();
        let head = self.heads.as_mut_slice().as_mut_ptr().wrapping_add(number);
        let field = window.next_field(number);
        // SAFETY: There is a head for each bin. A chunk's field can be written, by the contract of this function.
        unsafe {
            if !C::ENCODED {
                select(is_no_granule(prev), head, field).write(value);
            } else if is_no_granule(prev) {
                head.write(value);
            } else {
                window.write(field, value);
            }
        }
    }

    /// Sets the link to what comes before `next`, if that is a chunk.
    ///
    /// # Safety
    ///
    /// `next` is a chunk with links in the window's memory, or none.
    #[inline(always)]
    unsafe fn set_prev(&mut self, window: WindowOf<C>, next: C::Index, value: C::Index) {
        let nowhere = &raw mut self.nowhere;
        let field = window.prev_field(next.get());
        // SAFETY: A chunk's field can be written, by the contract of this function.
        unsafe {
            if !C::ENCODED {
                select(is_no_granule(next), nowhere, field).write(value);
            } else if !is_no_granule(next) {
                window.write(field, value);
            }
        }
    }

    /// Forgets the chunks of a bin, whose links are broken.
    #[cold]
    pub(crate) fn forget(&mut self, bin: BinIndex) {
        // SAFETY: The bin's number is below the number of heads.
        unsafe { self.head(bin).write(C::Index::NIL) };
        self.map.flip_if(bin, self.map.get(bin));
    }
}

/// Conditions that are asserted before and after links change.
impl<C: Config> Bins<C> {
    /// I5 and I7, of the first chunk of a bin: it links back to the bin, whose bit is set if there is one.
    fn is_in_order(&self, window: WindowOf<C>, bin: BinIndex) -> bool {
        if C::ENCODED {
            // The first chunk may have been overwritten. It is checked when it is used.
            return true;
        }
        let first = self.first(bin);
        // SAFETY: A bin holds free chunks with links (I6).
        let back = first.map(|at| unsafe { window.read(window.prev_field(at)) }.get());
        back.is_none_or(|back| back == bin.get()) && first.is_some() == self.is_mapped(bin)
    }

    /// I5 and I6, of a chunk in a bin: its neighbours in the list link to it.
    ///
    /// # Safety
    ///
    /// As for [`unlink`](Self::unlink).
    unsafe fn is_linked(&self, window: WindowOf<C>, chunk: &FreeChunk) -> bool {
        let at = C::Index::new(chunk.at());
        let bin = BinIndex::of_chunk::<C>(chunk.len());
        // SAFETY: A chunk in a bin has links, to chunks in the window's memory or to none (I5).
        unsafe {
            let next = window.read(window.next_field(chunk.at()));
            let prev = window.read(window.prev_field(chunk.at()));
            let is_after = if is_no_granule(prev) {
                prev.get() == bin.get() && self.first(bin) == Some(chunk.at())
            } else {
                window.read(window.next_field(prev.get())) == at
            };
            let is_before = is_no_granule(next) || window.read(window.prev_field(next.get())) == at;
            has_links::<C>(chunk) && is_after && is_before && self.is_mapped(bin)
        }
    }
}

/// Whether a free chunk has room for links.
fn has_links<C: Config>(chunk: &FreeChunk) -> bool {
    chunk.len() >= min_linked::<C::Index>()
}

/// Whether a link leads to no granule.
#[inline(always)]
fn is_no_granule<I: Index>(link: I) -> bool {
    link.get() < MAX_BINS
}
