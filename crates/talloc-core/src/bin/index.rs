//! Which bin holds which sizes.

use core::marker::PhantomData;

use crate::config::Config;
use crate::heads::{Heads, MAX_BINS};
use crate::select::select;

/// The number of a bin.
///
/// Below the number of bins, if and only if it was made by one of these functions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct BinIndex(usize);

impl BinIndex {
    /// The bin of free chunks of `len` granules.
    ///
    /// `len` itself in the exact range. Above, with `e` the power of two below `len`, the bins
    /// split `[2^e, 2^(e+1))` into `2^SPLIT_LOG2` equal parts (Masmano et al. 2004, as TLSF's
    /// second level), or into a quarter as many once `e` is `COARSE_LOG2`.
    #[cfg_attr(not(small), inline(always))]
    pub(crate) fn of_chunk<C: Config>(len: usize) -> Self {
        const { assert!(Self::valid::<C>()) };
        if len < Table::<C>::END {
            // Which row it is cannot be predicted, where sizes are mixed.
            let row = select(len < ROW, len, ROW + (len >> Table::<C>::SHIFT));
            let bins = const { &Table::<C>::BINS };
            // SAFETY: Below the end, the shifted size is less than a row has entries.
            Self(unsafe { *bins.get_unchecked(row) } as usize)
        } else {
            Self(Self::number::<C>(len))
        }
    }

    /// The `number`th bin, if there is one.
    #[inline(always)]
    pub(crate) fn new<C: Config>(number: usize) -> Option<Self> {
        if number < C::Heads::LEN { Some(Self(number)) } else { None }
    }

    /// The `number`th bin.
    ///
    /// # Safety
    ///
    /// There are more than `number` bins.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked<C: Config>(number: usize) -> Self {
        debug_assert!(number < C::Heads::LEN);
        Self(number)
    }

    #[inline(always)]
    pub(crate) fn get(self) -> usize {
        self.0
    }

    const fn exact<C: Config>() -> usize {
        1 << C::EXACT_LOG2
    }

    /// The number of the bin of free chunks of `len` granules, computed.
    #[inline(always)]
    const fn number<C: Config>(len: usize) -> usize {
        if len < Self::exact::<C>() {
            return len;
        }
        let log2 = len.ilog2();
        let (parts_log2, offset) = if log2 < C::COARSE_LOG2 {
            Self::parts(C::EXACT_LOG2, C::SPLIT_LOG2, Self::exact::<C>())
        } else {
            let fine = (C::COARSE_LOG2 - C::EXACT_LOG2) as usize;
            let first = Self::exact::<C>() + (fine << C::SPLIT_LOG2);
            Self::parts(C::COARSE_LOG2, C::SPLIT_LOG2.saturating_sub(2), first)
        };
        // The size's highest bits, `1p`, of which `p` is the part, and before them the doubling.
        let shift = log2 - parts_log2;
        let number = offset + ((shift as usize) << parts_log2) + (len >> shift);
        if number < C::Heads::LEN { number } else { C::Heads::LEN - 1 }
    }

    /// The fewest granules of a chunk in this bin.
    pub(crate) const fn least<C: Config>(self) -> usize {
        if self.0 < Self::exact::<C>() {
            return self.0;
        }
        let fine = (C::COARSE_LOG2 - C::EXACT_LOG2) as usize;
        let first = Self::exact::<C>().saturating_add(fine << C::SPLIT_LOG2);
        let (parts_log2, offset) = if self.0 < first {
            Self::parts(C::EXACT_LOG2, C::SPLIT_LOG2, Self::exact::<C>())
        } else {
            Self::parts(C::COARSE_LOG2, C::SPLIT_LOG2.saturating_sub(2), first)
        };
        // What `number` adds up: the doubling above, and `1p` below.
        let sum = self.0 - offset;
        let shift = (sum >> parts_log2) - 1;
        (sum - (shift << parts_log2)) << shift
    }

    /// Into how many parts each doubling is split, as a logarithm, from `2^from` on, and what must be
    /// added to the number made of the doubling and the part, if the bin of `2^from` is `first`.
    #[inline(always)]
    const fn parts(from: u32, parts_log2: u32, first: usize) -> (u32, usize) {
        let number = (((from - parts_log2) as usize) << parts_log2) + (1 << parts_log2);
        (parts_log2, first - number)
    }

    /// Whether the parameters make sense; checked when compiling.
    const fn valid<C: Config>() -> bool {
        C::SPLIT_LOG2 <= C::EXACT_LOG2
            && C::EXACT_LOG2 <= C::COARSE_LOG2
            && C::EXACT_LOG2 < 8
            && Self::exact::<C>() < C::Heads::LEN
            && C::Heads::LEN <= MAX_BINS
            && MAX_BINS - 1 <= u8::MAX as usize
    }
}

/// The entries of a row of the table.
const ROW: usize = 256;

/// The bins of small chunks, looked up: in the first row by size, in the second one by what bins
/// tell apart of the sizes beyond.
struct Table<C>(PhantomData<C>);

impl<C: Config> Table<C> {
    /// The logarithm of how many sizes a bin has after the first row, and of a multiple further on.
    const SHIFT: u32 = ROW.ilog2() - C::SPLIT_LOG2;

    /// Below this size, bins are looked up: none where there are few bins, or code is to be small, for
    /// then memory is dear.
    const END: usize = if C::Heads::LEN > 64 && !cfg!(small) { ROW << Self::SHIFT } else { 0 };

    const BINS: [u8; 2 * ROW] = {
        let mut bins = [0; 2 * ROW];
        let mut at = 0;
        while at < ROW {
            bins[at] = BinIndex::number::<C>(at) as u8;
            bins[ROW + at] = BinIndex::number::<C>(at << Self::SHIFT) as u8;
            at += 1;
        }
        bins
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Compact, Micro};

    /// The bins of sizes from one up must start at one, never go down, and leave none out.
    fn check<C: Config>(largest: usize) {
        let mut last = 0;
        for len in 1..=largest {
            let bin = BinIndex::of_chunk::<C>(len).get();
            assert!(bin == last || bin == last + 1, "{len} is in bin {bin} after {last}");
            assert!(bin < C::Heads::LEN);
            assert!(len >= 1 << C::EXACT_LOG2 || bin == len);
            let least = BinIndex(bin).least::<C>();
            assert!(
                least == if bin == last { BinIndex(last).least::<C>() } else { len },
                "{len}: {least}"
            );
            last = bin;
        }
    }

    #[test]
    fn bins_are_in_order() {
        check::<Compact>(1 << 16);
        check::<Micro>(1 << 16);
    }

    #[test]
    fn doublings_are_split_evenly() {
        let bin = |len| BinIndex::of_chunk::<Compact>(len).get();
        assert_eq!((bin(31), bin(32), bin(33), bin(34)), (31, 32, 32, 33));
        assert_eq!((bin(63), bin(64), bin(67), bin(68)), (47, 48, 48, 49));
        // Beyond 64 KiB, into fewer parts.
        assert_eq!((bin(8191), bin(8192), bin(10_239), bin(10_240)), (159, 160, 160, 161));
        assert_eq!((bin(16_383), bin(16_384), bin(20_480)), (163, 164, 165));
        let last = <Compact as Config>::Heads::LEN - 1;
        // No arena spans as much as the last bin begins at.
        assert!(bin(u32::MAX as usize) < last);
        assert!(usize::BITS == 32 || bin(usize::MAX) == last);
    }
}
