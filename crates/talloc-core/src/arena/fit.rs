//! Finding a free chunk for a request.
//!
//! No list is walked but by [`find`](Arena::find), for requests that would fail otherwise.

use core::ops::Range;

use talloc_span::Align;

use super::{Arena, FreeChunk};
use crate::bin::BinIndex;
use crate::config::Config;
use crate::granule::GRANULE;

/// How many chunks an aligned request looks at before it asks for one that is sure to fit.
const ALIGNED_TRIES: usize = 4;

impl<C: Config> Arena<C> {
    /// Uses `len` granules that are free, the first of them aligned to `align`.
    ///
    /// Returns the first. Takes a bounded number of steps.
    #[inline(always)]
    pub(crate) fn allocate(&mut self, len: usize, align: Align) -> Option<usize> {
        if align.get() <= GRANULE {
            self.allocate_any(len)
        } else {
            self.allocate_aligned(len, align)
        }
    }

    /// Uses `len` granules anywhere.
    #[inline(always)]
    fn allocate_any(&mut self, len: usize) -> Option<usize> {
        if let Some(chunk) = self.fit(len) {
            // SAFETY: It is a free chunk of the arena and large enough.
            return Some(unsafe { self.split(chunk, 0, len) });
        }
        if let Some(at) = self.take_top(0, len) {
            return Some(at);
        }
        self.last_resort(len, Align::MIN)
    }

    /// Uses `len` granules of which the first is aligned.
    #[inline(never)]
    fn allocate_aligned(&mut self, len: usize, align: Align) -> Option<usize> {
        let lead = |arena: &Self, at| align.padding(arena.window.addr(at)) / GRANULE;
        if let Some((chunk, lead)) = self.fit_aligned(len, align) {
            // SAFETY: It is a free chunk of the arena and large enough behind its lead.
            return Some(unsafe { self.split(chunk, lead, len) });
        }
        // Wherever a chunk starts that is as much larger, there is room for the lead.
        if let Some(chunk) = self.fit(len + align.get() / GRANULE - 1) {
            let lead = lead(self, chunk.at());
            // SAFETY: As above.
            return Some(unsafe { self.split(chunk, lead, len) });
        }
        let lead = lead(self, self.top);
        if let Some(at) = self.take_top(lead, len) {
            return Some(at);
        }
        self.last_resort(len, align)
    }

    /// A free chunk of at least `len` granules: the first one of the request's own bin if that is
    /// large enough, else the first of the next bin that has any.
    #[inline(always)]
    fn fit(&self, len: usize) -> Option<FreeChunk> {
        let own = BinIndex::of_chunk::<C>(len);
        let fits = self.bins.first_size(self.window, own) >= len;
        self.first_in(self.bins.first_bin_from(own.get() + usize::from(!fits))?)
    }

    /// Of the first chunks of the bins that may hold `len` aligned granules, the first that does.
    fn fit_aligned(&self, len: usize, align: Align) -> Option<(FreeChunk, usize)> {
        let mut from = BinIndex::of_chunk::<C>(len).get();
        for _ in 0..ALIGNED_TRIES {
            let bin = self.bins.first_bin_from(from)?;
            let chunk = self.first_in(bin)?;
            if let Some(lead) = self.lead(&chunk, len, align) {
                return Some((chunk, lead));
            }
            from = bin.get() + 1;
        }
        None
    }

    /// Uses `len` aligned granules of any chunk that has them, though its bin does not promise it.
    #[cold]
    fn last_resort(&mut self, len: usize, align: Align) -> Option<usize> {
        let sure = BinIndex::of_chunk::<C>(len + align.get() / GRANULE);
        let (chunk, lead) =
            self.find(len, sure, |chunk| self.lead(&chunk, len, align).map(|lead| (chunk, lead)))?;
        // SAFETY: It is a free chunk of the arena and large enough behind its lead.
        Some(unsafe { self.split(chunk, lead, len) })
    }

    /// The first granule of a free chunk of at least `len` granules that lies within `range`.
    #[cold]
    pub(super) fn fit_between(&self, range: &Range<usize>, len: usize) -> Option<usize> {
        let fits = |chunk: &FreeChunk| {
            range.start <= chunk.at() && chunk.end() <= range.end && chunk.len() >= len
        };
        let last = BinIndex::of_chunk::<C>(usize::MAX);
        self.find(len, last, |chunk| fits(&chunk).then_some(chunk.at()))
    }

    /// The first answer to one of the free chunks in the bins from that of `len` granules to the
    /// bin `last`.
    ///
    /// Looks at [`Config::LAST_RESORT`] chunks at the most.
    fn find<T>(
        &self,
        len: usize,
        last: BinIndex,
        answer: impl Fn(FreeChunk) -> Option<T>,
    ) -> Option<T> {
        let mut from = BinIndex::of_chunk::<C>(len).get();
        let mut left = C::LAST_RESORT;
        while from <= last.get() {
            let bin = self.bins.first_bin_from(from)?;
            let mut next = self.bins.first(bin);
            while let Some(at) = next {
                left = left.checked_sub(1)?;
                // SAFETY: What is in a bin is a free chunk (I6).
                let chunk = unsafe { self.free_chunk(at) };
                // SAFETY: It has links.
                next = unsafe { self.bins.next(self.window, &chunk) };
                if let Some(found) = answer(chunk) {
                    return Some(found);
                }
            }
            from = bin.get() + 1;
        }
        None
    }

    /// How many chunks are looked at before a request for `len` granules fails.
    #[cfg(test)]
    pub(crate) fn count_candidates(&self, len: usize) -> usize {
        let count = core::cell::Cell::new(0);
        let own = BinIndex::of_chunk::<C>(len);
        let none: Option<()> = self.find(len, own, |_| {
            count.set(count.get() + 1);
            None
        });
        assert!(none.is_none());
        count.get()
    }

    /// The first chunk of a bin.
    #[inline(always)]
    fn first_in(&self, bin: BinIndex) -> Option<FreeChunk> {
        let at = self.bins.first(bin)?;
        // SAFETY: What is in a bin is a free chunk (I6).
        Some(unsafe { self.free_chunk(at) })
    }

    /// How many granules of a chunk must be left out for `len` aligned ones to follow, if the
    /// chunk has as many.
    fn lead(&self, chunk: &FreeChunk, len: usize, align: Align) -> Option<usize> {
        let lead = align.padding(self.window.addr(chunk.at())) / GRANULE;
        (lead + len <= chunk.len()).then_some(lead)
    }
}
