//! The mapping from chunk sizes to bins.

use core::marker::PhantomData;

use crate::binning::{Binning, MAX_BINS};
use crate::config::Config;
use crate::select::select;

/// The number of a bin.
///
/// It is always below the number of bins. Only the functions of this type make one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct BinIndex(usize);

impl BinIndex {
    /// The bin of free chunks of `len` granules.
    ///
    /// In the exact range, the bin has the number `len`. Above it, let `2^e` be the largest power of two that does not
    /// exceed `len`. The bins split `[2^e, 2^(e+1))` into `2^SPLIT_LOG2` equal parts, like the second level of TLSF
    /// (Masmano et al. 2004). From `e = COARSE_LOG2` on, there are a quarter as many parts.
    #[cfg_attr(not(small), inline(always))]
    pub(crate) fn of_chunk<C: Config>(len: usize) -> Self {
        if len < Table::<C>::END {
            // `select` avoids a branch: with mixed sizes, the processor could not predict it.
            let row = select(len < ROW, len, ROW + (len >> Table::<C>::SHIFT));
            let bins = const { &Table::<C>::BINS };
            // SAFETY: `len` is below `END`, so the shifted size is below `ROW`, and `row` is below `2 * ROW`.
            Self(unsafe { *bins.get_unchecked(row) } as usize)
        } else {
            Self(Self::number::<C>(len))
        }
    }

    /// The bin with this number, if there is one.
    #[inline(always)]
    pub(crate) fn new<C: Config>(number: usize) -> Option<Self> {
        if number < C::Bins::LEN { Some(Self(number)) } else { None }
    }

    /// The bin with this number.
    ///
    /// # Safety
    ///
    /// `number` is below the number of bins.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked<C: Config>(number: usize) -> Self {
        debug_assert!(number < C::Bins::LEN);
        Self(number)
    }

    #[inline(always)]
    pub(crate) fn get(self) -> usize {
        self.0
    }

    const fn exact<C: Config>() -> usize {
        1 << C::Bins::EXACT_LOG2
    }

    /// The number of the bin of free chunks of `len` granules, computed.
    #[inline(always)]
    const fn number<C: Config>(len: usize) -> usize {
        if len < Self::exact::<C>() {
            return len;
        }
        let log2 = len.ilog2();
        let (parts_log2, offset) = if log2 < C::Bins::COARSE_LOG2 {
            Self::parts(C::Bins::EXACT_LOG2, C::Bins::SPLIT_LOG2, Self::exact::<C>())
        } else {
            let fine = (C::Bins::COARSE_LOG2 - C::Bins::EXACT_LOG2) as usize;
            let first = Self::exact::<C>() + (fine << C::Bins::SPLIT_LOG2);
            Self::parts(C::Bins::COARSE_LOG2, C::Bins::SPLIT_LOG2.saturating_sub(2), first)
        };
        // `len >> shift` is the leading one bit of the size, followed by the bits of the part. `shift` counts the
        // doublings.
        let shift = log2 - parts_log2;
        let number = offset + ((shift as usize) << parts_log2) + (len >> shift);
        if number < C::Bins::LEN { number } else { C::Bins::LEN - 1 }
    }

    /// The smallest size of a chunk in this bin, in granules.
    pub(crate) const fn least<C: Config>(self) -> usize {
        if self.0 < Self::exact::<C>() {
            return self.0;
        }
        let fine = (C::Bins::COARSE_LOG2 - C::Bins::EXACT_LOG2) as usize;
        let first = Self::exact::<C>() + (fine << C::Bins::SPLIT_LOG2);
        let (parts_log2, offset) = if self.0 < first {
            Self::parts(C::Bins::EXACT_LOG2, C::Bins::SPLIT_LOG2, Self::exact::<C>())
        } else {
            Self::parts(C::Bins::COARSE_LOG2, C::Bins::SPLIT_LOG2.saturating_sub(2), first)
        };
        // The inverse of `number`: the high bits of the sum are the doubling plus one, because the leading one bit of
        // the size was added to them.
        let sum = self.0 - offset;
        let shift = (sum >> parts_log2) - 1;
        (sum - (shift << parts_log2)) << shift
    }

    /// Describes the bins from the size `2^from` on, the first of which has the number `first`. Returns the logarithm of
    /// the number of parts per doubling, and the offset between the sum of doubling and part and the number of a bin.
    #[inline(always)]
    const fn parts(from: u32, parts_log2: u32, first: usize) -> (u32, usize) {
        let number = (((from - parts_log2) as usize) << parts_log2) + (1 << parts_log2);
        (parts_log2, first - number)
    }
}

// The number of a bin fits into an entry of the table.
static_assertions::const_assert!(MAX_BINS - 1 <= u8::MAX as usize);

/// The number of entries in a row of the table.
const ROW: usize = 256;

/// A lookup table for the bins of small chunks, because a lookup is faster than the computation.
///
/// The first row is indexed by the size. The second row is for larger sizes, and is indexed by the size divided by the
/// smallest width of their bins.
struct Table<C>(PhantomData<C>);

impl<C: Config> Table<C> {
    /// The logarithm of the width of the first bin behind the first row. Further bins are as wide, or a multiple of it.
    const SHIFT: u32 = ROW.ilog2() - C::Bins::SPLIT_LOG2;

    /// Sizes below this one are looked up. It is 0 if there are few bins or the code is optimised for size: memory is
    /// scarce then, and there is no table.
    const END: usize = if C::Bins::LEN > 64 && !cfg!(small) { ROW << Self::SHIFT } else { 0 };

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
    use crate::binning::SizeBins;
    use crate::config::{Compact, Micro, Tiny, WithBins};

    /// Checks that the bins of increasing sizes start at 1, never decrease, and leave no bin out.
    fn check<C: Config>(largest: usize) {
        let mut last = 0;
        for len in 1..=largest {
            let bin = BinIndex::of_chunk::<C>(len).get();
            assert!(bin == last || bin == last + 1, "{len} is in bin {bin} after {last}");
            assert!(bin < C::Bins::LEN);
            assert!(len >= 1 << C::Bins::EXACT_LOG2 || bin == len);
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
        check::<Tiny>(1 << 16);
    }

    #[test]
    fn bins_with_extreme_parameters_are_in_order() {
        macro_rules! check {
            ($([$($parameter:tt),*])*) => {
                $(check::<WithBins<Compact, SizeBins<$($parameter),*>>>(1 << 16);)*
            };
        }
        check! {
            [2, 0, 0] [2, 0, 0, 0] [3, 1, 1, 1] [256, 0, 0] [256, 1, 1, 2] [256, 4, 1, 5] [129, 7, 0] [129, 7, 7, 7]
            [256, 7, 7, 7] [256, 7, 7, 8] [256, 7, 7, { 7 + (1 << 25) }] [256, 7, 7, { u32::MAX }]
        }
    }

    #[test]
    fn doublings_are_split_evenly() {
        let bin = |len| BinIndex::of_chunk::<Compact>(len).get();
        assert_eq!((bin(31), bin(32), bin(33), bin(34)), (31, 32, 32, 33));
        assert_eq!((bin(63), bin(64), bin(67), bin(68)), (47, 48, 48, 49));
        // Beyond 64 KiB, powers of two are split into fewer parts.
        assert_eq!((bin(8191), bin(8192), bin(10_239), bin(10_240)), (159, 160, 160, 161));
        assert_eq!((bin(16_383), bin(16_384), bin(20_480)), (163, 164, 165));
        let last = <Compact as Config>::Bins::LEN - 1;
        // No arena is as large as the last bin's smallest size.
        assert!(bin(u32::MAX as usize) < last);
        assert!(usize::BITS == 32 || bin(usize::MAX) == last);
    }
}
