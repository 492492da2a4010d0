//! The strides of blocks, and the sizes of extents.

use super::UNIT;

/// The pages of the systems where they are smallest.
const PAGE: usize = 4 << 10;

const UNIT_PAGES: usize = UNIT / PAGE;

/// At most this share of an extent is not covered by blocks.
const SHARES: usize = 32;

/// Up to this stride, an extent of one unit keeps to [`SHARES`].
const MANY: usize = UNIT / SHARES;

/// The distance from one block of an extent to the next: a power of two, times 1 to 64.
///
/// All blocks are aligned to the largest power of two that divides their stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stride(usize);

impl Stride {
    /// The smallest stride, which is the smallest alignment of blocks that come here.
    pub(super) const MIN: usize = 32;

    /// The largest stride. Larger blocks are rare, and left to the heap.
    pub(super) const MAX: usize = 1 << Self::MAX_LOG2;

    const MAX_LOG2: u32 = if usize::BITS < 64 { 20 } else { 30 };
    const MIN_LOG2: u32 = Self::MIN.ilog2();
    const STEPS_LOG2: u32 = 6;

    /// The number of strides.
    pub(super) const COUNT: usize =
        ((Self::MAX_LOG2 - Self::MIN_LOG2 + 1) << Self::STEPS_LOG2) as usize;

    /// Blocks of at least this many times their alignment are left to the heap: in front of those, a word
    /// costs little.
    const WORTH: usize = 1 << Self::STEPS_LOG2;

    /// The stride of blocks of `size` bytes, aligned to `align`, a power of two. `None` for blocks that are
    /// left to the heap.
    #[inline]
    pub(super) fn of(size: usize, align: usize) -> Option<Self> {
        if !(Self::MIN..=Self::MAX).contains(&align) || size / Self::WORTH >= align {
            return None;
        }
        // The sum cannot overflow, because `size` is less than 64 times `MAX`.
        let stride = (size.max(1) + align - 1) & !(align - 1);
        (stride <= Self::MAX).then_some(Self(stride))
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

    /// The index of this stride, in order of size.
    #[inline]
    pub(super) const fn index(self) -> usize {
        let log2 = self.0.ilog2();
        // The stride has no bits below the step.
        let steps = if log2 < Self::STEPS_LOG2 {
            self.0 << (Self::STEPS_LOG2 - log2)
        } else {
            self.0 >> (log2 - Self::STEPS_LOG2)
        };
        (((log2 - Self::MIN_LOG2) as usize) << Self::STEPS_LOG2) + steps - (1 << Self::STEPS_LOG2)
    }

    /// Units of an extent.
    ///
    /// The blocks cover all but a thirty-second of it, and all of it if they are whole pages. Memory that is not
    /// covered may be lost even if it is never touched, where the system backs memory by huge pages.
    pub(super) const fn units(self) -> usize {
        if self.0 <= MANY {
            1
        } else if self.0 % PAGE == 0 {
            // The end of the last block is that of a unit.
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

    /// The smallest number of blocks of whole pages that are whole units together.
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
        let aligns = (5..=Stride::MAX_LOG2).map(|log2| 1_usize << log2);
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
            assert!((1..=Row::MAX_BLOCKS).contains(&blocks), "{stride:?}: {blocks}");
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
        assert_eq!(Stride::of(1, Stride::MAX * 2), None);
        assert_eq!(Stride::of(usize::MAX, 1 << (usize::BITS - 1)), None);
    }
}
