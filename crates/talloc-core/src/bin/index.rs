//! Which bin holds which sizes.

use core::marker::PhantomData;

use crate::bin::Heads;
use crate::config::Config;
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
    /// second level).
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
        let shift = len.ilog2() - C::SPLIT_LOG2;
        // The first part of the first doubling comes right after the exact bins.
        let doublings = (shift + C::SPLIT_LOG2 - C::EXACT_LOG2) as usize;
        let part = (len >> shift) - (1 << C::SPLIT_LOG2);
        let number = Self::exact::<C>() + (doublings << C::SPLIT_LOG2) + part;
        if number < C::Heads::LEN { number } else { C::Heads::LEN - 1 }
    }

    /// Whether the parameters make sense; checked when compiling.
    const fn valid<C: Config>() -> bool {
        C::SPLIT_LOG2 <= C::EXACT_LOG2
            && C::EXACT_LOG2 < 8
            && Self::exact::<C>() < C::Heads::LEN
            && C::Heads::LEN <= super::MAX_BINS
            && super::MAX_BINS - 1 <= u8::MAX as usize
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
        assert_eq!((bin(63), bin(64), bin(71), bin(72)), (63, 64, 64, 65));
        assert_eq!((bin(127), bin(128), bin(143), bin(144)), (71, 72, 72, 73));
        let last = <Compact as Config>::Heads::LEN - 1;
        assert_eq!((bin(u32::MAX as usize), bin(usize::MAX)), (last, last));
    }
}
