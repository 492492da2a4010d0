//! Finding a free chunk for a request.
//!
//! Only [`find`](Arena::find) walks lists, and only for requests that would fail otherwise.

use core::ops::Range;

use talloc_span::Align;

use super::Arena;
use crate::bin::BinIndex;
use crate::config::{Config, Level};
use crate::free_chunk::FreeChunk;
use crate::granule::GRANULE;

/// How many chunks an aligned request examines before it takes one that is large enough wherever it lies.
const ALIGNED_TRIES: usize = 4;

/// How many free chunks are examined as a place for the bitmap when an arena changes its extent.
const PLACES: usize = 32;

impl<C: Config> Arena<C> {
    /// Takes `len` free granules, the first of which is aligned to `align`. Returns the first.
    ///
    /// Takes a bounded number of steps.
    #[cfg_attr(not(small), inline(always))]
    pub(crate) fn allocate(&mut self, len: usize, align: Align) -> Option<usize> {
        // `allocate_aligned` covers both cases. Where code is to be small, it is the only one.
        let at = if align.get() <= GRANULE && !cfg!(small) {
            self.allocate_any(len)
        } else {
            self.allocate_aligned(len, align)
        };
        let at = at.or_else(|| self.last_resort(len, align));
        debug_assert!(at.is_none_or(|at| self.is_aligned(at, align)), "the block is aligned");
        at
    }

    /// Takes `len` granules of a binned chunk that is surely large enough, or else of the top.
    #[cfg_attr(not(small), inline(always))]
    fn allocate_any(&mut self, len: usize) -> Option<usize> {
        if let Some(at) = self.allocate_from_bins(len, false) {
            return Some(at);
        }
        self.take_top(0, len)
    }

    /// Takes `len` granules of a binned chunk that is surely large enough, from its start or its end.
    #[cfg_attr(not(small), inline(always))]
    pub(crate) fn allocate_from_bins(&mut self, len: usize, from_end: bool) -> Option<usize> {
        let bin = self.fit(len)?;
        // SAFETY: The bin's first chunk is large enough.
        unsafe {
            let chunk = self.pop(bin);
            let lead = if from_end { chunk.len() - len } else { 0 };
            Some(self.split(chunk, lead, len))
        }
    }

    /// Takes up to `most` times `len` granules of a binned chunk that surely has `len`.
    #[inline(always)]
    pub(crate) fn take_run_from_bins(&mut self, len: usize, most: usize) -> Option<Range<usize>> {
        let bin = self.fit(len)?;
        // SAFETY: The bin's first chunk is large enough.
        unsafe {
            let chunk = self.pop(bin);
            let run = if chunk.len() >= len * most {
                len * most
            } else if chunk.len() < 2 * len {
                len
            } else {
                chunk.len() / len * len
            };
            debug_assert!(run >= len && run % len == 0, "a run is whole blocks");
            let at = self.split(chunk, 0, run);
            Some(at..at + run)
        }
    }

    /// Whether some of the first `len` granules of the top have never been used.
    #[inline(always)]
    pub(crate) fn is_top_new(&self, len: usize) -> bool {
        self.top + len > self.cleared
    }

    /// A lower bound of the largest free piece: the size of the top, or of the first chunk of the last bin in use,
    /// whichever is larger. Other chunks of that bin may be larger. Takes constant time.
    pub(crate) fn grade(&self) -> u32 {
        let binned = self.bins.last_bin().map_or(0, |bin| {
            if C::ENCODED {
                self.first_of(bin).map_or(0, |chunk| chunk.len())
            } else {
                self.bins.first_size(self.window, bin)
            }
        });
        binned.max(self.end - self.top) as u32
    }

    /// The lowest [grade](Self::grade) of an arena that may have `len` granules in one piece.
    pub(crate) fn least_grade(len: usize) -> u32 {
        let least = BinIndex::of_chunk::<C>(len).least::<C>().min(len);
        u32::try_from(least).unwrap_or(u32::MAX)
    }

    /// Whether the top is half of the arena or more.
    pub(crate) fn is_mostly_top(&self) -> bool {
        self.end - self.top >= self.top - self.start
    }

    /// Takes up to `most` times `len` granules of the top, as many times as it has room for.
    #[inline(always)]
    pub(crate) fn take_run(&mut self, len: usize, most: usize) -> Option<Range<usize>> {
        let room = self.end - self.top;
        let run = match len.checked_mul(most) {
            Some(run) if run <= room => run,
            _ => room / len * len,
        };
        if run == 0 {
            return None;
        }
        debug_assert!(run % len == 0 && run <= room, "a run is whole blocks of the top");
        let at = self.take_top(0, run)?;
        Some(at..at + run)
    }

    /// Takes `len` granules, the first of which is aligned, of a binned chunk, or else of the top.
    #[inline(never)]
    pub(crate) fn allocate_aligned(&mut self, len: usize, align: Align) -> Option<usize> {
        if let Some(at) = self.allocate_from_heads(len, align) {
            debug_assert!(self.is_aligned(at, align), "the block is aligned");
            return Some(at);
        }
        let lead = align.padding(self.window.addr(self.top)) / GRANULE;
        let at = self.take_top(lead, len);
        debug_assert!(at.is_none_or(|at| self.is_aligned(at, align)), "the block is aligned");
        at
    }

    /// Takes `len` granules, the first of which is aligned, of the first chunk of a bin.
    #[inline(always)]
    pub(crate) fn allocate_from_heads(&mut self, len: usize, align: Align) -> Option<usize> {
        if cfg!(small) && C::LAST_RESORT > 0 {
            // Examines the first chunk of each bin. That includes the one that the code below would find.
            return self.take_found(len, align, 1, usize::MAX);
        }
        if let Some((bin, lead)) = self.fit_aligned(len, align) {
            // SAFETY: The bin's first chunk is large enough behind its lead.
            unsafe {
                let chunk = self.pop(bin);
                return Some(self.split(chunk, lead, len));
            }
        }
        // A chunk that is larger by the alignment has room for the lead, wherever it starts.
        let bin = self.fit(len + (align.get() / GRANULE).saturating_sub(1))?;
        // SAFETY: As above.
        unsafe {
            let chunk = self.pop(bin);
            let lead = align.padding(self.window.addr(chunk.at())) / GRANULE;
            Some(self.split(chunk, lead, len))
        }
    }

    /// A bin whose first chunk has at least `len` granules. It is the bin of that size if its first chunk is large
    /// enough, and otherwise the next bin that is not empty.
    #[cfg_attr(not(small), inline(always))]
    fn fit(&self, len: usize) -> Option<BinIndex> {
        let own = BinIndex::of_chunk::<C>(len);
        if C::ENCODED {
            return self.fit_trusted(own, len);
        }
        let fits = self.bins.first_size(self.window, own) >= len;
        let bin = self.bins.first_bin_from(own.get() + usize::from(!fits));
        debug_assert!(
            bin.is_none_or(|bin| self.bins.first_size(self.window, bin) >= len),
            "I6, I7: a bin's first chunk is as large as the bin says"
        );
        bin
    }

    /// [`fit`](Self::fit) in a hardened heap, where no head and no size is used before it is known to be sound. `own`
    /// is the bin of chunks of `len` granules.
    fn fit_trusted(&self, own: BinIndex, len: usize) -> Option<BinIndex> {
        if self.bins.first(own).is_some() && self.first_of(own)?.len() >= len {
            return Some(own);
        }
        let bin = self.bins.first_bin_from(own.get() + 1)?;
        if self.bins.first(bin).is_none() {
            // The map says that there is one.
            self.note_broken();
        }
        self.first_of(bin)?;
        Some(bin)
    }

    /// The first bin whose first chunk has `len` aligned granules, and how many granules lie before them in that chunk.
    /// Only a few bins are examined.
    fn fit_aligned(&self, len: usize, align: Align) -> Option<(BinIndex, usize)> {
        let mut from = BinIndex::of_chunk::<C>(len).get();
        for _ in 0..C::LAST_RESORT.min(ALIGNED_TRIES) {
            let bin = self.bins.first_bin_from(from)?;
            let chunk = self.first_of(bin)?;
            if let Some(lead) = self.lead(&chunk, len, align) {
                return Some((bin, lead));
            }
            from = bin.get() + 1;
        }
        None
    }

    /// Takes `len` aligned granules of any chunk that has them, although its bin does not guarantee it.
    #[cold]
    #[cfg_attr(not(small), inline(never))]
    pub(crate) fn last_resort(&mut self, len: usize, align: Align) -> Option<usize> {
        if C::LAST_RESORT == 0 {
            return None;
        }
        self.take_found(len, align, usize::MAX, C::LAST_RESORT)
    }

    /// Takes `len` aligned granules of the first chunk that has them. Examines up to `most` chunks, and up to `of_each`
    /// of a bin.
    fn take_found(
        &mut self,
        len: usize,
        align: Align,
        of_each: usize,
        most: usize,
    ) -> Option<usize> {
        // With one chunk of each bin, all bins are examined. Otherwise, the bins from which `fit` would serve the
        // request are left out.
        let last = if of_each == 1 { usize::MAX } else { len + align.get() / GRANULE };
        let last = BinIndex::of_chunk::<C>(last);
        let lead = |chunk: FreeChunk| self.lead(&chunk, len, align).map(|lead| (chunk, lead));
        let (chunk, lead) = self.find(len, last, of_each, most, lead)?;
        debug_assert!(self.is_free_chunk(chunk.at(), chunk.len()), "I6: a bin holds free chunks");
        // SAFETY: It is a free chunk of the arena, in a bin, and large enough behind its lead.
        unsafe {
            self.unlink(&chunk);
            Some(self.split(chunk, lead, len))
        }
    }

    /// The first granule of a free chunk of at least `len` granules that lies within `range`.
    #[cold]
    pub(super) fn fit_between(&self, range: &Range<usize>, len: usize) -> Option<usize> {
        let fits = |chunk: &FreeChunk| {
            range.start <= chunk.at() && chunk.end() <= range.end && chunk.len() >= len
        };
        let last = BinIndex::of_chunk::<C>(usize::MAX);
        self.find(len, last, usize::MAX, PLACES, |chunk| fits(&chunk).then_some(chunk.at()))
    }

    /// Calls `answer` with free chunks until it returns `Some`, and returns that. The chunks are those in the bins from
    /// that of `len` granules up to the bin `last`.
    ///
    /// Examines up to `most` chunks, and up to `of_each` of a bin.
    fn find<T>(
        &self,
        len: usize,
        last: BinIndex,
        of_each: usize,
        most: usize,
        answer: impl Fn(FreeChunk) -> Option<T>,
    ) -> Option<T> {
        let mut from = BinIndex::of_chunk::<C>(len).get();
        let mut left = most;
        while from <= last.get() && left > 0 {
            let bin = self.bins.first_bin_from(from)?;
            for chunk in self.chunks_in(bin).take(of_each.min(left)) {
                left -= 1;
                if let Some(found) = answer(chunk) {
                    return Some(found);
                }
            }
            from = bin.get() + 1;
        }
        None
    }

    /// How many chunks are examined before a request for `len` granules fails.
    #[cfg(test)]
    pub(crate) fn count_candidates(&self, len: usize) -> usize {
        let count = core::cell::Cell::new(0);
        let own = BinIndex::of_chunk::<C>(len);
        let none: Option<()> = self.find(len, own, usize::MAX, C::LAST_RESORT, |_| {
            count.set(count.get() + 1);
            None
        });
        assert!(none.is_none());
        count.get()
    }

    /// How many granules of a chunk lie before the first `len` aligned ones. `None` if the chunk has no room for them.
    fn lead(&self, chunk: &FreeChunk, len: usize, align: Align) -> Option<usize> {
        let lead = align.padding(self.window.addr(chunk.at())) / GRANULE;
        (lead + len <= chunk.len()).then_some(lead)
    }
}
