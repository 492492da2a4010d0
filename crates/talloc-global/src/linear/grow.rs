//! Growing the memory.

use core::ptr;

use super::bits::SPAN;
use super::memory::{GRANULE, PAGE};
use super::{Linear, LinearMemory};

/// The memory grows by at least one `SHARE`th of the heap's size, if it can.
const SHARE: usize = 8;

impl<M: LinearMemory, const BINS: usize, const SPLIT: u32, const QUICK: usize>
    Linear<M, BINS, SPLIT, QUICK>
{
    /// Grows the memory until the top has `need` bytes. Returns whether that succeeded.
    ///
    /// The first attempt adds at least an eighth of the heap's size, the second only the needed bytes. If both fail,
    /// nothing has changed. If other code grows the memory at the same time, the top may have fewer bytes; the caller
    /// tries again.
    #[cold]
    #[inline(never)]
    pub(super) fn grow(&mut self, need: usize) -> bool {
        let from = self.memory.end();
        if from == 0 {
            // The memory extends to the last address, so it cannot grow.
            return false;
        }
        if self.acme == 0 {
            if let Some(rest) = self.memory.rest() {
                self.add(rest, from);
                // The rest is not known to be zero.
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

    /// Returns the pages that `need` bytes of top and the bitmap need, if the memory grows from `from` on.
    #[inline(always)]
    fn pages_for(&self, need: usize, from: usize) -> usize {
        let is_first = self.acme == 0;
        let base = if is_first { from } else { self.base };
        let low = if from == self.acme { self.top } else { from };
        // The sums may exceed 32 bits. On 64-bit machines, no address is large enough for an overflow.
        let [need, base, low, from] = [need, base, low, from].map(|number| number as u64);
        let roots = if is_first { Self::ROOTS as u64 } else { 0 };
        // A bitmap of `bits` bytes covers `SPAN` times as many bytes, including itself. The two granules are for rounding,
        // for the granule below the base, and for the spare byte.
        let top = low + need + roots;
        let bits = (top - base) / (SPAN as u64 - 1) + 2 * GRANULE as u64;
        ((top + bits).saturating_sub(from).div_ceil(PAGE as u64)).max(1) as usize
    }

    /// Adds the memory from `piece` to `acme`, which lies above all memory of the heap.
    ///
    /// If the memory is too small for the larger bitmap, it leaks.
    #[inline]
    fn add(&mut self, piece: usize, acme: usize) {
        let piece = piece.next_multiple_of(GRANULE);
        let (old_top, old_end, old_acme) = (self.top, self.end, self.acme);
        let is_next = piece == old_acme;
        // At first, the bitmap also covers the granule below the first block, because freeing that block reads its bit.
        let base = if old_acme == 0 { (piece - GRANULE) & !(SPAN - 1) } else { self.base };
        let len = ((acme - base) / SPAN + 1).next_multiple_of(GRANULE);
        let low = if is_next { old_top } else { piece };
        let roots = if old_acme == 0 { Self::ROOTS } else { 0 };
        if acme - low < len + roots {
            return;
        }
        let end = acme - len;
        // SAFETY: Nobody uses the piece, nor, if the piece is adjacent, the memory from the old top on. The old bitmap
        // lies at the end of the heap's memory.
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
        // The memory of the old bitmap is not zero.
        self.fresh = if is_next { self.fresh.max(old_acme) } else { low };
        if old_acme == 0 {
            // SAFETY: The heap owns the piece, which has room for the roots.
            unsafe { self.make_roots(low) };
            self.top = low + roots;
            self.fresh = self.top;
        } else if !is_next && old_top < old_acme {
            // SAFETY: Nobody uses the old top and the old bitmap. A used chunk lies below them, and a gap above.
            unsafe { self.insert(old_top, old_acme) };
        }
    }
}
