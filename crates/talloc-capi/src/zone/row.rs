//! The state of an extent: its stride, and which of its blocks are free.

use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

use super::class::Stride;

/// The row of a unit in the table.
///
/// A row of zeros is that of a unit at which no extent starts. Once an extent starts at a unit, its
/// stride, number of blocks and first unit never change.
#[repr(C, align(64))]
pub(super) struct Row {
    /// Bytes of the [`Stride`]; zero if no extent starts here.
    stride: AtomicUsize,
    /// The number of blocks.
    blocks: AtomicU32,
    /// The inverse of the stride, to divide by it; see [`block_at`](Self::block_at).
    inverse: AtomicU32,
    /// The distance to the extent's first unit, in units. Zero in extents of a single block.
    back: AtomicU32,
    /// A hint: words below this one have no free block.
    lowest: AtomicU32,
    /// The next row of the list that this one is in.
    pub(super) next: AtomicU32,
    place: AtomicU8,
    /// Whether the extent counts as spare: free, but not returned to the system.
    pub(super) is_spare: AtomicBool,
    /// Whether the extent's memory has been returned to the system, and the extent not held since.
    pub(super) is_discarded: AtomicBool,
    /// A bit for each block, set if the block is free.
    free: [AtomicU64; WORDS],
}

const WORDS: usize = 32;
const BITS: usize = u64::BITS as usize;

/// An inverse is a fraction with this power of two as its denominator.
const INVERSE_LOG2: u32 = 31;

/// The place of an extent.
///
/// An extent with free blocks is held or listed, or about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    /// In no list, and not held. It has no free blocks, or is about to be listed.
    Loose,
    /// In use by a stripe, or by the thread that is about to put it elsewhere.
    Held,
    /// In the list of its stride.
    Listed,
}

impl Row {
    /// The largest number of blocks of an extent.
    #[cfg(test)]
    pub(super) const MAX_BLOCKS: usize = WORDS * BITS;

    /// Starts a new extent at this row, held, with all blocks free.
    pub(super) fn start(&self, stride: Stride) {
        self.place.store(Place::Held as u8, Relaxed);
        for (word, free) in self.free.iter().enumerate() {
            free.store(full_word(stride.blocks(), word), Relaxed);
        }
        self.blocks.store(stride.blocks() as u32, Relaxed);
        let inverse = (1_u64 << INVERSE_LOG2).div_ceil(granules(stride.bytes()));
        self.inverse.store(inverse as u32, Relaxed);
        // `trim` may look at the row from now on.
        self.stride.store(stride.bytes(), Release);
    }

    /// Makes this the row of a unit within an extent that starts `back` units below.
    pub(super) fn follow(&self, back: u32) {
        self.back.store(back, Relaxed);
    }

    /// The stride, if an extent starts here.
    #[inline]
    pub(super) fn stride(&self) -> Option<Stride> {
        let bytes = self.stride.load(Acquire);
        (bytes > 0).then_some(Stride::from_bytes(bytes))
    }

    /// The number of blocks.
    #[inline]
    pub(super) fn blocks(&self) -> usize {
        self.blocks.load(Relaxed) as usize
    }

    fn words(&self) -> usize {
        self.blocks().div_ceil(BITS)
    }

    /// The block that starts at an offset in the extent, if one does.
    #[inline]
    pub(super) fn block_at(&self, stride: Stride, offset: usize) -> Option<usize> {
        if stride.is_alone() || offset == 0 {
            return (offset == 0).then_some(0);
        }
        // The inverse is rounded up, so the quotient is too large by less than the number of granules of
        // the offset divided by 2^31. An extent has fewer than 2^17 granules, and a stride fewer than
        // 2^13, so this is too little to reach the next whole number.
        let block = (granules(offset) * u64::from(self.inverse.load(Relaxed))) >> INVERSE_LOG2;
        let block = block as usize;
        (block * stride.bytes() == offset && block < self.blocks()).then_some(block)
    }

    #[inline]
    pub(super) fn back(&self) -> usize {
        self.back.load(Relaxed) as usize
    }

    pub(super) fn is_held(&self) -> bool {
        self.place.load(SeqCst) == Place::Held as u8
    }

    pub(super) fn put(&self, place: Place) {
        self.place.store(place as u8, SeqCst);
    }

    /// Changes the place from loose to listed. If this returns true, the caller must list the row.
    #[inline]
    pub(super) fn is_to_be_listed(&self) -> bool {
        let [loose, listed] = [Place::Loose, Place::Listed].map(|place| place as u8);
        self.place.load(SeqCst) == loose
            && self.place.compare_exchange(loose, listed, SeqCst, Relaxed).is_ok()
    }

    /// Takes a free block, the lowest if the hint is right.
    #[inline]
    pub(super) fn claim(&self) -> Option<usize> {
        let lowest = self.lowest.load(Relaxed) as usize;
        for number in lowest..self.words() {
            let word = &self.free[number];
            let mut free = word.load(Relaxed);
            while free != 0 {
                let bit = free & free.wrapping_neg();
                free = word.fetch_and(!bit, Acquire);
                if free & bit != 0 {
                    if number != lowest {
                        self.lowest.store(number as u32, Relaxed);
                    }
                    return Some(number * BITS + bit.trailing_zeros() as usize);
                }
            }
        }
        None
    }

    /// Frees a block. Returns whether it was allocated, and whether all blocks of its word are free now.
    #[inline]
    pub(super) fn release(&self, block: usize) -> (bool, bool) {
        let (number, bit) = (block / BITS, 1 << (block % BITS));
        let before = self.free[number].fetch_or(bit, SeqCst);
        if number < self.lowest.load(Relaxed) as usize {
            self.lowest.store(number as u32, Relaxed);
        }
        (before & bit == 0, before | bit == full_word(self.blocks(), number))
    }

    pub(super) fn is_free(&self, block: usize) -> bool {
        self.free[block / BITS].load(Relaxed) & 1 << (block % BITS) != 0
    }

    /// Whether any block is free. Resets the hint.
    pub(super) fn has_free(&self) -> bool {
        self.lowest.store(0, Relaxed);
        self.free.iter().take(self.words()).any(|word| word.load(SeqCst) != 0)
    }

    pub(super) fn free_blocks(&self) -> usize {
        self.free.iter().map(|word| word.load(Relaxed).count_ones() as usize).sum()
    }

    /// Takes all blocks if all are free.
    pub(super) fn claim_all(&self) -> bool {
        let (blocks, words) = (self.blocks(), self.words());
        let is_full =
            |number: &usize| self.free[*number].load(Relaxed) == full_word(blocks, *number);
        if !(0..words).all(|number| is_full(&number)) {
            return false;
        }
        let claimed = (0..words).take_while(|number| {
            let full = full_word(blocks, *number);
            self.free[*number].compare_exchange(full, 0, Acquire, Relaxed).is_ok()
        });
        let claimed = claimed.count();
        if claimed < words {
            self.release_words(claimed);
        }
        claimed == words
    }

    /// Frees all blocks of the first `words` words, which the caller has taken.
    fn release_words(&self, words: usize) {
        for (number, word) in self.free.iter().enumerate().take(words) {
            word.fetch_or(full_word(self.blocks(), number), SeqCst);
        }
        self.lowest.store(0, Relaxed);
    }

    /// Frees all blocks, which the caller has taken.
    pub(super) fn release_all(&self) {
        self.release_words(self.words());
    }
}

/// The word number `number` of an extent with all of its `blocks` free.
#[inline]
const fn full_word(blocks: usize, number: usize) -> u64 {
    match blocks.saturating_sub(number * BITS) {
        0 => 0,
        most if most >= BITS => u64::MAX,
        some => (1 << some) - 1,
    }
}

/// Bytes in units of the least stride, rounded down.
#[inline]
const fn granules(bytes: usize) -> u64 {
    (bytes / Stride::MIN) as u64
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn row(stride: usize) -> (Row, usize) {
        // SAFETY: All zeros are a row.
        let row: Row = unsafe { core::mem::zeroed() };
        let stride = Stride::of(stride, 1 << stride.trailing_zeros()).unwrap();
        row.start(stride);
        (row, stride.blocks())
    }

    #[test]
    fn blocks_are_taken_in_order_and_once() {
        for stride in [32, 64, 96, 4096, 40960, 1 << 16] {
            let (row, blocks) = row(stride);
            let taken: Vec<_> = core::iter::from_fn(|| row.claim()).collect();
            assert!(taken.into_iter().eq(0..blocks));
            assert!(!row.has_free());
            for block in (0..blocks).rev() {
                assert_eq!(row.release(block), (true, block % BITS == 0));
                assert!(!row.release(block).0 && row.is_free(block));
            }
            assert_eq!(row.free_blocks(), blocks);
        }
    }

    #[test]
    fn all_are_taken_if_all_are_free() {
        let (row, blocks) = row(64);
        assert!(row.claim_all() && row.claim().is_none());
        row.release_all();
        let last = blocks - 1;
        row.free[last / BITS].fetch_and(!(1 << (last % BITS)), Relaxed);
        assert!(!row.claim_all());
        assert_eq!(row.free_blocks(), last);
        row.release(last);
        assert!(row.claim_all());
    }

    #[test]
    fn offsets_are_divided_by_strides() {
        for (size, align) in (5..21).flat_map(|log2| (1..=64).map(move |n| (n << log2, 1 << log2)))
        {
            let Some(stride) = Stride::of(size, align) else { continue };
            // SAFETY: All zeros are a row.
            let row: Row = unsafe { core::mem::zeroed() };
            row.start(stride);
            for block in 0..stride.blocks() {
                let offset = block * stride.bytes();
                assert_eq!(row.block_at(stride, offset), Some(block), "{stride:?}");
                for within in [1, 16, 32, stride.bytes() / 2, stride.bytes() - 1] {
                    let other = if within < stride.bytes() { None } else { Some(block + 1) };
                    let other = other.filter(|block| *block < stride.blocks());
                    assert_eq!(row.block_at(stride, offset + within), other, "{stride:?} {within}");
                }
            }
            assert_eq!(row.block_at(stride, stride.blocks() * stride.bytes()), None);
        }
    }

    #[test]
    fn a_row_is_listed_by_one() {
        let (row, _) = row(64);
        assert!(row.is_held() && !row.is_to_be_listed());
        row.put(Place::Loose);
        assert!(row.is_to_be_listed() && !row.is_to_be_listed() && !row.is_held());
    }
}
