//! One bit per bin.

use super::BinIndex;
use crate::binning::{Binning, MAX_BINS};
use crate::config::Config;

const BITS: usize = usize::BITS as usize;

/// Which bins have chunks in them.
///
/// Invariant I7: a bit is set if and only if its bin is not empty.
pub(crate) struct Map([usize; MAX_BINS / BITS]);

impl Map {
    pub(crate) const EMPTY: Self = Self([0; MAX_BINS / BITS]);

    #[inline(always)]
    pub(crate) fn set(&mut self, bin: BinIndex) {
        self.0[bin.get() / BITS] |= 1 << (bin.get() % BITS);
    }

    /// Clears the bit of a bin, which is set, if `condition` holds. Takes no branch, and less work than
    /// [`clear_if`](Self::clear_if).
    #[inline(always)]
    pub(crate) fn flip_if(&mut self, bin: BinIndex, condition: bool) {
        debug_assert!(!condition || self.get(bin), "I7: the bit of a bin with chunks is set");
        self.0[bin.get() / BITS] ^= usize::from(condition) << (bin.get() % BITS);
    }

    /// Clears the bit of the bin with a number if `condition` holds. Takes no branch.
    ///
    /// If `condition` is false, `number` need not be a bin's.
    #[inline(always)]
    pub(crate) fn clear_if(&mut self, number: usize, condition: bool) {
        debug_assert!(!condition || number < MAX_BINS, "it is the number of a bin");
        debug_assert!(
            !condition || self.0[number / BITS] >> (number % BITS) & 1 != 0,
            "I7: the bit of a bin with chunks is set"
        );
        self.0[number % MAX_BINS / BITS] &= !(usize::from(condition) << (number % BITS));
    }

    #[inline(always)]
    pub(crate) fn get(&self, bin: BinIndex) -> bool {
        self.0[bin.get() / BITS] >> (bin.get() % BITS) & 1 != 0
    }

    /// The last bin that has chunks in it.
    pub(crate) fn last<C: Config>(&self) -> Option<BinIndex> {
        let words = &self.0[..const { C::Bins::LEN.div_ceil(BITS) }];
        let word = words.iter().rposition(|bits| *bits != 0)?;
        // SAFETY: Only bits of bins are ever set.
        Some(unsafe { BinIndex::new_unchecked::<C>(word * BITS + words[word].ilog2() as usize) })
    }

    /// The first bin from the `number`th on that has chunks in it.
    #[cfg_attr(not(small), inline(always))]
    pub(crate) fn first_from<C: Config>(&self, number: usize) -> Option<BinIndex> {
        let words = &self.0[..const { C::Bins::LEN.div_ceil(BITS) }];
        let mut word = number / BITS;
        let mut bits = *words.get(word)? >> (number % BITS) << (number % BITS);
        while bits == 0 {
            word += 1;
            bits = *words.get(word)?;
        }
        // SAFETY: Only bits of bins are ever set.
        Some(unsafe { BinIndex::new_unchecked::<C>(word * BITS + bits.trailing_zeros() as usize) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Compact;

    #[test]
    fn the_first_bin_is_found() {
        let mut map = Map::EMPTY;
        let from = |map: &Map, number| map.first_from::<Compact>(number).map(BinIndex::get);
        assert_eq!(from(&map, 0), None);
        for number in [3, 63, 64, 130, 239] {
            map.set(BinIndex::new::<Compact>(number).unwrap());
        }
        assert_eq!((from(&map, 0), from(&map, 3), from(&map, 4)), (Some(3), Some(3), Some(63)));
        assert_eq!(
            (from(&map, 64), from(&map, 65), from(&map, 131)),
            (Some(64), Some(130), Some(239))
        );
        assert_eq!((from(&map, 256), from(&map, 1000)), (None, None));
        let last = |map: &Map| map.last::<Compact>().map(BinIndex::get);
        assert_eq!((last(&map), last(&Map::EMPTY)), (Some(239), None));
        map.clear_if(3, false);
        map.clear_if(239, true);
        map.clear_if(usize::MAX, false);
        map.flip_if(BinIndex::new::<Compact>(3).unwrap(), false);
        assert_eq!((from(&map, 0), from(&map, 131), last(&map)), (Some(3), None, Some(130)));
        map.flip_if(BinIndex::new::<Compact>(3).unwrap(), true);
        assert_eq!(from(&map, 0), Some(63));
    }
}
