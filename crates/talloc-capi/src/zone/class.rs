//! The distances at which blocks lie, and the extents that hold them.

use super::UNIT;

/// The pages of the systems where they are smallest.
const PAGE: usize = 4 << 10;

const UNIT_PAGES: usize = UNIT / PAGE;

/// The least share of an extent that may be left by its blocks.
const SHARES: usize = 32;

/// The largest stride of which a unit leaves little, whatever it is.
const MANY: usize = UNIT / SHARES;

/// The distance from one block of an extent to the next: a power of two, times 1 to 64.
///
/// All blocks are aligned to the largest power of two that divides their stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stride(usize);

impl Stride {
    /// The smallest stride, which is the smallest alignment of blocks that come here.
    pub(super) const LEAST: usize = 32;

    /// The largest stride. Larger blocks are few, and the heap's.
    pub(super) const MOST: usize = 1 << Self::MOST_LOG2;

    const MOST_LOG2: u32 = if usize::BITS < 64 { 20 } else { 30 };
    const LEAST_LOG2: u32 = Self::LEAST.ilog2();
    const STEPS_LOG2: u32 = 6;

    /// The number of strides.
    pub(super) const COUNT: usize =
        ((Self::MOST_LOG2 - Self::LEAST_LOG2 + 1) << Self::STEPS_LOG2) as usize;

    /// The largest size, in multiples of the alignment, that is worth a stride of its own. In front of
    /// larger blocks there is room for a word.
    const WORTH: usize = 1 << Self::STEPS_LOG2;

    /// The stride of blocks of `size` bytes, aligned to `align`, a power of two. `None` for those that
    /// are not to come here.
    #[inline]
    pub(super) fn of(size: usize, align: usize) -> Option<Self> {
        if !(Self::LEAST..=Self::MOST).contains(&align) || size / Self::WORTH >= align {
            return None;
        }
        // Both are small enough for their sum.
        let stride = (size.max(1) + align - 1) & !(align - 1);
        (stride <= Self::MOST).then_some(Self(stride))
    }

    /// A stride that has been stored as a number of bytes.
    #[inline]
    pub(super) const fn from_bytes(bytes: usize) -> Self {
        Self(bytes)
    }

    #[inline]
    pub(super) const fn bytes(self) -> usize {
        self.0
    }

    /// The number of this stride among all, in order.
    #[inline]
    pub(super) const fn index(self) -> usize {
        let log2 = self.0.ilog2();
        // Bits below those that count are zeros.
        let steps = if log2 < Self::STEPS_LOG2 {
            self.0 << (Self::STEPS_LOG2 - log2)
        } else {
            self.0 >> (log2 - Self::STEPS_LOG2)
        };
        (((log2 - Self::LEAST_LOG2) as usize) << Self::STEPS_LOG2) + steps - (1 << Self::STEPS_LOG2)
    }

    /// Units of an extent.
    ///
    /// What its blocks leave of it is at most a thirty-second, and nothing if they are whole pages. It may
    /// be lost even if it is not used: where the system gives memory in larger pieces than pages.
    pub(super) const fn units(self) -> usize {
        if self.0 <= MANY {
            1
        } else if self.0 % PAGE == 0 {
            // As many as end where a unit does.
            self.pages() * self.whole_blocks() / UNIT_PAGES
        } else {
            (self.0 * SHARES).next_power_of_two().div_ceil(UNIT)
        }
    }

    /// Blocks of an extent.
    pub(super) const fn blocks(self) -> usize {
        if self.0 > MANY && self.0 % PAGE == 0 {
            self.whole_blocks()
        } else {
            self.units() * UNIT / self.0
        }
    }

    /// Whether an extent has one block.
    #[inline]
    pub(super) const fn is_alone(self) -> bool {
        self.0 % UNIT == 0
    }

    const fn pages(self) -> usize {
        self.0 / PAGE
    }

    /// The fewest blocks of whole pages that are together whole units.
    const fn whole_blocks(self) -> usize {
        let log2 = self.pages().trailing_zeros();
        let most = UNIT_PAGES.trailing_zeros();
        UNIT_PAGES >> if log2 < most { log2 } else { most }
    }

    /// Units to whose multiples the start of an extent is aligned.
    #[inline]
    pub(super) const fn align_units(self) -> usize {
        let align = 1 << self.0.trailing_zeros();
        if align < UNIT { 1 } else { align / UNIT }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use super::super::row::Row;
    use super::*;

    fn strides() -> impl Iterator<Item = (usize, usize, Stride)> {
        let aligns = (5..=Stride::MOST_LOG2).map(|log2| 1_usize << log2);
        aligns.flat_map(|align| {
            let sizes = (1..=64).flat_map(move |times| [align * times - 1, align * times]);
            let strides = sizes.map(move |size| (size, align, Stride::of(size, align)));
            strides.filter_map(|(size, align, stride)| Some((size, align, stride?)))
        })
    }

    #[test]
    fn strides_have_numbers_of_their_own() {
        let mut known = BTreeMap::new();
        for (size, align, stride) in strides() {
            assert!(stride.bytes() >= size && stride.bytes() < size + align);
            assert_eq!(stride.bytes() % align, 0);
            assert!(stride.index() < Stride::COUNT, "{stride:?}");
            assert_eq!(*known.entry(stride.index()).or_insert(stride), stride);
        }
        let bytes: Vec<_> = known.values().map(|stride| stride.bytes()).collect();
        assert!(bytes.is_sorted());
        assert!(bytes.len() > 500);
    }

    #[test]
    fn extents_hold_aligned_blocks_and_leave_little() {
        for (_, align, stride) in strides() {
            let (blocks, bytes) = (stride.blocks(), stride.units() * UNIT);
            assert!((1..=Row::MOST_BLOCKS).contains(&blocks), "{stride:?}: {blocks}");
            assert_eq!(blocks == 1, stride.is_alone(), "{stride:?}");
            assert!(stride.align_units() * UNIT >= align);
            let left = bytes - blocks * stride.bytes();
            let is_whole = stride.bytes() % PAGE == 0;
            assert!(left <= if is_whole { 0 } else { bytes / SHARES }, "{stride:?}: {left}");
        }
    }

    #[test]
    fn what_is_large_for_its_alignment_is_not_for_here() {
        assert_eq!(Stride::of(100, 16), None);
        assert_eq!(Stride::of(64 * 64, 64), None);
        assert_eq!(Stride::of(64 * 64 - 1, 64).map(Stride::bytes), Some(64 * 64));
        assert_eq!(Stride::of(0, 64).map(Stride::bytes), Some(64));
        assert_eq!(Stride::of(1, Stride::MOST * 2), None);
        assert_eq!(Stride::of(usize::MAX, 1 << (usize::BITS - 1)), None);
    }
}
