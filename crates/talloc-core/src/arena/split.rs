//! Splitting and coalescing. These functions keep the chunks, the boundary bits and the bins consistent.

use super::Arena;
use crate::bin::BinIndex;
use crate::config::{Config, Level, WindowOf};
use crate::free_chunk::FreeChunk;
use crate::granule::min_linked;

impl<C: Config> Arena<C> {
    /// Whether a free chunk of `len` granules is in a bin. A smaller one has no room for links.
    #[inline(always)]
    pub(super) fn is_linked(len: usize) -> bool {
        len >= const { min_linked::<C::Index>() }
    }

    /// The free chunk that starts at `at`.
    ///
    /// # Safety
    ///
    /// There is one.
    #[inline(always)]
    pub(super) unsafe fn free_chunk(&self, at: usize) -> FreeChunk {
        // SAFETY: A free chunk starts with its size.
        let chunk = FreeChunk::new(at, unsafe { self.window.size_at(at) });
        debug_assert!(self.is_marked(&chunk), "I3: both ends of a free chunk are marked");
        chunk
    }

    /// The free chunk that ends before `end`.
    ///
    /// # Safety
    ///
    /// There is one.
    #[inline(always)]
    unsafe fn free_chunk_before(&self, end: usize) -> FreeChunk {
        // SAFETY: A free chunk ends with its size.
        let len = unsafe { self.window.size_before(end) };
        debug_assert!(len <= end, "I2: the size of a free chunk is at its end");
        let chunk = FreeChunk::new(end - len, len);
        debug_assert!(self.is_marked(&chunk), "I3: both ends of a free chunk are marked");
        chunk
    }

    /// Writes the sizes of a free chunk, and puts it in its bin. Its bits are already set.
    ///
    /// # Safety
    ///
    /// Nobody uses its granules, and it touches no other free chunk.
    #[cfg_attr(not(small), inline(always))]
    unsafe fn bin(&mut self, chunk: FreeChunk) {
        debug_assert!(self.is_marked(&chunk), "I3: both ends of a free chunk are marked");
        // SAFETY: The granules are the arena's to write, and linked chunks have room for links.
        unsafe {
            self.window.set_sizes(chunk.at(), chunk.len());
            if Self::is_linked(chunk.len()) {
                self.guard_head(&chunk);
                self.bins.push(self.window, chunk);
            }
        }
    }

    /// [`bin`](Self::bin), for the remainder of a split chunk.
    ///
    /// # Safety
    ///
    /// As for [`bin`](Self::bin).
    #[cfg_attr(not(small), inline(always))]
    unsafe fn bin_rest(&mut self, window: WindowOf<C>, chunk: FreeChunk) {
        debug_assert!(self.is_marked(&chunk), "I3: both ends of a free chunk are marked");
        // SAFETY: As in `bin`.
        unsafe {
            window.set_sizes(chunk.at(), chunk.len());
            if Self::is_linked(chunk.len()) {
                self.guard_head(&chunk);
                self.bins.push_rest(window, chunk);
            }
        }
    }

    /// Empties the bin of a chunk if its first chunk is broken. The chunk can then be put in its bin.
    #[inline(always)]
    fn guard_head(&mut self, chunk: &FreeChunk) {
        if C::ENCODED {
            let bin = BinIndex::of_chunk::<C>(chunk.len());
            if !self.trusts_head(bin) {
                self.bins.forget(bin);
            }
        }
    }

    /// Takes a free chunk out of its bin, if it is in one.
    ///
    /// # Safety
    ///
    /// It is a free chunk of the arena.
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn unlink(&mut self, chunk: &FreeChunk) {
        debug_assert!(
            self.is_below_top(chunk.at(), chunk.len()),
            "I2: a free chunk is in the arena"
        );
        if Self::is_linked(chunk.len()) {
            // SAFETY: A free chunk of that size is in its bin (I6).
            unsafe { self.bins.unlink(self.window, chunk) }
        }
    }

    /// Takes the first chunk out of a bin.
    ///
    /// # Safety
    ///
    /// The bin is not empty.
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn pop(&mut self, bin: BinIndex) -> FreeChunk {
        // SAFETY: What is in a bin is a free chunk of the arena (I6), and this one is not empty.
        unsafe {
            if cfg!(small) {
                debug_assert!(self.bins.first(bin).is_some(), "I7: a bin in the map is not empty");
                let chunk = self.free_chunk(self.bins.first(bin).unwrap_unchecked());
                self.unlink(&chunk);
                return chunk;
            }
            let at = self.bins.pop(self.window, bin);
            let chunk = self.free_chunk(at);
            debug_assert!(self.is_free_chunk(at, chunk.len()), "I2 to I4: a bin holds free chunks");
            chunk
        }
    }

    /// Takes `len` granules out of a free chunk, after the first `lead` granules. The remainders on either side stay
    /// free. Returns the first granule that is taken.
    ///
    /// # Safety
    ///
    /// `chunk` is a free chunk of the arena with at least `lead + len` granules, and has been taken out of its bin.
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn split(&mut self, chunk: FreeChunk, lead: usize, len: usize) -> usize {
        // Read once, because the compiler cannot know that writes to chunks do not change these fields.
        let (window, bits) = (self.window, self.bits);
        let at = chunk.at() + lead;
        debug_assert!(len > 0 && lead <= chunk.len() && len <= chunk.len() - lead);
        debug_assert!(self.is_marked(&chunk), "I3: both ends of a free chunk are marked");
        let rest = chunk.len() - lead - len;
        // SAFETY: The chunk is free, and no free chunk touches it (I4). It becomes up to three chunks. The outer ones
        // touch only used ones, and keep the outer bits.
        unsafe {
            if lead == 0 {
                bits.clear(at);
            } else {
                bits.set(at - 1);
                self.bin_rest(window, FreeChunk::new(chunk.at(), lead));
            }
            if rest == 0 {
                bits.clear(chunk.end() - 1);
            } else {
                bits.set(at + len);
                self.bin_rest(window, FreeChunk::new(at + len, rest));
            }
        }
        debug_assert!(self.is_used(at, len), "I3: the taken granules have no marks");
        debug_assert!(
            lead == 0 || self.is_free_chunk(at - lead, lead),
            "I2 to I4: the lead is free"
        );
        debug_assert!(
            rest == 0 || self.is_free_chunk(at + len, rest),
            "I2 to I4: the rest is free"
        );
        at
    }

    /// Frees `len` granules from `at` on, and coalesces them with free neighbours. Returns how many granules the
    /// coalesced chunk has, or the top.
    ///
    /// # Safety
    ///
    /// The granules are a used chunk of the arena, or a part of one, and nobody uses them any more.
    #[cfg_attr(not(small), inline(always))]
    pub(crate) unsafe fn release(&mut self, at: usize, len: usize) -> usize {
        debug_assert!(self.is_used(at, len), "I1, I3: the granules are used and in the arena");
        if C::ENCODED && !self.trusts_around(at, at + len) {
            self.strand(at, len);
            return len;
        }
        // SAFETY: Chunks cover the arena, so the bit next to the granules tells whether that neighbour is free (I3).
        // A neighbour that is merged is taken out of its bin, and keeps only its outer bit. If it has one granule,
        // that is its only bit.
        unsafe {
            if at + len == self.top {
                // No free chunk may touch the top (I4).
                self.top = self.merge_below(at);
                if self.top < at {
                    self.bits.clear(self.top);
                }
                debug_assert!(self.start <= self.top, "I1: the top is above the start");
                debug_assert!(!self.bits.get(self.top - 1), "I4: no free chunk touches the top");
                return self.end - self.top;
            }
            let end = self.merge_above(at + len);
            let start = self.merge_below(at);
            if start == at {
                self.bits.set(at);
            }
            self.bin(FreeChunk::new(start, end - start));
            debug_assert!(start <= at && at + len <= end);
            debug_assert!(
                self.is_free_chunk(start, end - start),
                "I2 to I4: one free chunk remains"
            );
            end - start
        }
    }

    /// Frees `len` granules from `at` on, which are the end of a block.
    ///
    /// # Safety
    ///
    /// As for [`release`](Self::release), and the granule before them is a part of the block, and stays used.
    #[cfg_attr(not(small), inline(always))]
    pub(crate) unsafe fn release_tail(&mut self, at: usize, len: usize) {
        debug_assert!(self.is_used(at, len), "I1, I3: the granules are used and in the arena");
        debug_assert!(self.is_used_before(at), "the block goes on below the granules");
        if C::ENCODED && !self.trusts_above(at + len) {
            self.strand(at, len);
            return;
        }
        // SAFETY: As for `release`.
        unsafe {
            if cfg!(small) {
                // `release` covers this case. A second copy would cost code size.
                self.release(at, len);
                return;
            }
            if at + len == self.top {
                self.top = at;
                debug_assert!(self.is_used_before(self.top), "I4: no free chunk touches the top");
                return;
            }
            let end = self.merge_above(at + len);
            self.bits.set(at);
            self.bin(FreeChunk::new(at, end - at));
            debug_assert!(self.is_free_chunk(at, end - at), "I2 to I4: one free chunk remains");
        }
    }

    /// Finds the end of the free chunk that a used chunk before `end` becomes a part of. If the chunk above it is free,
    /// that is taken out of its bin, and its end is returned. Otherwise, the last granule before `end` is marked.
    ///
    /// # Safety
    ///
    /// A used chunk ends at `end`, below the top, and nobody uses it any more.
    #[inline(always)]
    unsafe fn merge_above(&mut self, end: usize) -> usize {
        debug_assert!(self.is_used_before(end) && end < self.top);
        // SAFETY: As for `release`.
        unsafe {
            let (is_free, word) = self.bits.look(end);
            if !is_free {
                self.bits.set(end - 1);
                return end;
            }
            let above = self.free_chunk(end);
            self.merge_in(&above, end, word);
            above.end()
        }
    }

    /// Takes the free chunk that ends at `at` out of its bin, and returns where it starts. Returns `at` if there is no
    /// such chunk.
    ///
    /// # Safety
    ///
    /// A used chunk starts at `at`, and nobody uses it any more.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    unsafe fn merge_below(&mut self, at: usize) -> usize {
        debug_assert!(self.start <= at && at < self.end);
        // SAFETY: As for `release`.
        unsafe {
            let (is_free, word) = self.bits.look(at - 1);
            if !is_free {
                return at;
            }
            let below = self.free_chunk_before(at);
            self.merge_in(&below, at - 1, word);
            below.at()
        }
    }

    /// Takes a free chunk that becomes a part of another one out of its bin, and clears its inner mark.
    ///
    /// `inner` is the granule of that mark, and `word` the current value of its word. A chunk of one granule keeps its
    /// only mark.
    ///
    /// # Safety
    ///
    /// `chunk` is a free chunk of the arena, and `inner` is its first or last granule.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    unsafe fn merge_in(&mut self, chunk: &FreeChunk, inner: usize, word: usize) {
        debug_assert!(inner == chunk.at() || inner == chunk.end() - 1, "I3: only ends are marked");
        // SAFETY: The granule is one of the chunk's ends, whose word has just been read.
        unsafe {
            if chunk.len() > 1 {
                self.bits.clear_in(word, inner);
                debug_assert!(!self.bits.get(inner), "I3: the inner end is marked no longer");
            }
            self.unlink(chunk);
        }
    }

    /// Takes `more` granules above a used chunk that ends at `end`, if they are free. Returns whether they are.
    ///
    /// # Safety
    ///
    /// A used chunk of the arena ends there.
    #[cfg_attr(not(small), inline(always))]
    pub(crate) unsafe fn grow(&mut self, end: usize, more: usize) -> bool {
        debug_assert!(self.is_used_before(end), "I3: the chunk that grows is used");
        if end == self.top {
            return self.take_top(0, more).is_some();
        }
        // SAFETY: Below the top, the bit tells whether a free chunk starts there.
        unsafe { self.bits.get(end) && self.grow_into(end, more) }
    }

    /// [`grow`](Self::grow) into a free chunk.
    ///
    /// # Safety
    ///
    /// There is one at `end`.
    #[cfg_attr(not(small), inline(never))]
    unsafe fn grow_into(&mut self, end: usize, more: usize) -> bool {
        // SAFETY: A free chunk starts at `end`, by the contract of this function; it is in its bin (I6).
        unsafe {
            let Some(above) = self.chunk_at(end).filter(|above| above.len() >= more) else {
                return false;
            };
            self.unlink(&above);
            let at = self.split(above, 0, more);
            debug_assert_eq!(at, end, "the granules follow those that grow");
        }
        true
    }

    /// How many granules the top lacks for `more` granules above a used chunk that ends at `end`. `None` if the top
    /// does not begin there.
    pub(crate) fn lacking_above(&self, end: usize, more: usize) -> Option<usize> {
        debug_assert!(self.top <= self.end, "I1");
        (end == self.top).then(|| more.saturating_sub(self.end - self.top))
    }

    /// Takes `len` granules of the top, after its first `lead` granules, which become a free chunk. Returns the first
    /// granule that is taken.
    #[cfg_attr(not(small), inline(always))]
    pub(super) fn take_top(&mut self, lead: usize, len: usize) -> Option<usize> {
        debug_assert!(self.top <= self.end, "I1: the top is below the end");
        let room = self.end - self.top;
        if room < len || room - len < lead {
            return None;
        }
        let (lead_at, at) = (self.top, self.top + lead);
        self.top = at + len;
        if self.top > self.cleared {
            self.clear_bits();
        }
        if lead > 0 {
            // SAFETY: The chunk below the top is used (I4), and so are the granules after the lead.
            unsafe {
                if cfg!(small) {
                    // `release` covers this case. A second copy would cost code size.
                    self.release(lead_at, lead);
                } else {
                    self.mark_free(lead_at..at);
                }
            }
        }
        debug_assert!(self.top <= self.end && self.top <= self.cleared, "I1: the bits are clear");
        debug_assert!(len == 0 || self.is_used(at, len), "I3: the taken granules have no marks");
        Some(at)
    }

    /// Makes a free chunk of granules between used chunks.
    ///
    /// # Safety
    ///
    /// Nobody uses them, and the chunks on either side are used.
    #[cfg_attr(small, inline(never))]
    pub(super) unsafe fn mark_free(&mut self, range: core::ops::Range<usize>) {
        if !range.is_empty() {
            debug_assert!(self.is_used(range.start, range.len()), "I3: nothing is marked yet");
            // SAFETY: The granules are used and unmarked (I3), nobody uses them, and no free chunk touches them.
            unsafe {
                self.bits.set(range.start);
                self.bits.set(range.end - 1);
                self.bin(FreeChunk::new(range.start, range.len()));
            }
            debug_assert!(
                self.is_free_chunk(range.start, range.len()),
                "I2 to I4: it is a free chunk"
            );
        }
    }
}
