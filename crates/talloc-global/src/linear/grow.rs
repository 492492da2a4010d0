//! Making the memory grow.

use core::ptr;

use super::bits::SPAN;
use super::memory::{GRANULE, PAGE};
use super::{Linear, LinearMemory};

/// Each time, the memory grows by one in as many of the heap's bytes at the least, if it can.
const SHARE: usize = 8;

impl<M: LinearMemory, const BINS: usize, const SPLIT: u32, const QUICK: usize>
    Linear<M, BINS, SPLIT, QUICK>
{
    /// Makes the memory grow so far that the top has `need` bytes. Returns whether it did.
    ///
    /// First it is asked for an eighth of what the heap has, then for no more than is needed. If it cannot
    /// grow, nothing has changed. If others make it grow at the very same time, the top may have less; the
    /// caller tries again.
    #[cold]
    #[inline(never)]
    pub(super) fn grow(&mut self, need: usize) -> bool {
        let from = self.memory.end();
        if from == 0 {
            // Others have made it grow up to the last address.
            return false;
        }
        if self.acme == 0 {
            if let Some(rest) = self.memory.rest() {
                self.add(rest, from);
                // Nobody says that it is zero.
                self.fresh = self.acme;
                return true;
            }
        }
        let pages = self.pages_for(need, from);
        let ample = (self.owned / SHARE).max(self.acme - self.end) / PAGE;
        let mut more = pages.max(ample);
        loop {
            if let Some(piece) = self.memory.grow(more) {
                self.add(piece, piece + more * PAGE);
                return true;
            }
            if more == pages {
                return false;
            }
            more = pages;
        }
    }

    /// How many pages are needed for `need` bytes of top and for the bitmap, if the memory grows from `from`
    /// on.
    #[inline(always)]
    fn pages_for(&self, need: usize, from: usize) -> usize {
        let is_first = self.acme == 0;
        let base = if is_first { from } else { self.base };
        let low = if from == self.acme { self.top } else { from };
        // The sums may be beyond the addresses of 32 bits. Where there are 64, no address is as large.
        let [need, base, low, from] = [need, base, low, from].map(|number| number as u64);
        let roots = if is_first { Self::ROOTS as u64 } else { 0 };
        // A bitmap of `bits` bytes covers `SPAN` times as many, itself among them; the rest is for what is
        // rounded, for the granule below the base, and for the byte to spare.
        let top = low + need + roots;
        let bits = (top - base) / (SPAN as u64 - 1) + 2 * GRANULE as u64;
        ((top + bits).saturating_sub(from).div_ceil(PAGE as u64)).max(1) as usize
    }

    /// Gives the heap the memory from `piece` to `acme`, above all that it has.
    ///
    /// If it is too small for the larger bitmap, it is lost.
    #[inline]
    fn add(&mut self, piece: usize, acme: usize) {
        let piece = piece.next_multiple_of(GRANULE);
        let (old_top, old_end, old_acme) = (self.top, self.end, self.acme);
        let is_next = piece == old_acme;
        // Where there is nothing yet, the bitmap also covers the granule below the first one, which is
        // looked at when that is freed.
        let base = if old_acme == 0 { (piece - GRANULE) & !(SPAN - 1) } else { self.base };
        let len = ((acme - base) / SPAN + 1).next_multiple_of(GRANULE);
        let low = if is_next { old_top } else { piece };
        let roots = if old_acme == 0 { Self::ROOTS } else { 0 };
        if acme - low < len + roots {
            return;
        }
        let end = acme - len;
        // SAFETY: The memory from the old top on is used by nobody, if the new piece is the next one, and
        // that of the piece is not at all. Where the bitmap is, it is at the end of the heap's memory.
        unsafe {
            let bits = ptr::with_exposed_provenance_mut::<u8>(end);
            let old = ptr::with_exposed_provenance::<u8>(old_end);
            bits.copy_from(old, old_acme - old_end);
            bits.add(old_acme - old_end).write_bytes(0, len - (old_acme - old_end));
        }
        self.bits = end.wrapping_sub(base / SPAN);
        (self.base, self.top, self.end, self.acme) = (base, low, end, acme);
        self.owned += acme - piece;
        self.quick.set_limit(self.owned);
        // What the old bitmap has left is not zero.
        self.fresh = if is_next { self.fresh.max(old_acme) } else { low };
        if old_acme == 0 {
            // SAFETY: The piece is the heap's, and has room for them.
            unsafe { self.make_roots(low) };
            self.top = low + roots;
            self.fresh = self.top;
        } else if !is_next && old_top < old_acme {
            // SAFETY: Nobody uses what was the top and the bitmap; below, there is a used chunk, and above,
            // a gap.
            unsafe { self.insert(old_top, old_acme) };
        }
    }
}
