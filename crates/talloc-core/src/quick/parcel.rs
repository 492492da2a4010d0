//! Blocks on their way from the heap where they were freed to the heap that they belong to.
//!
//! ```text
//!  a parcel:  | next | segment | ->  | next |  | ->  | next |  | ->  | next | segment | ->  ...
//!             first block of three, all of one size                  first of the next size
//! ```
//!
//! A parcel is a list of blocks. Consecutive blocks of the same size are a *segment*. The first block of a segment
//! stores the size, the number of blocks, and the place of the last one. Their owner puts the whole segment on its
//! quick list.
//!
//! The blocks are in the cache of another processor. If the owner read them one after another, as they are allocated, it
//! would wait for each of them, because only a block says where the next one is. Therefore each further block of a
//! segment also stores the place of the block [`STRIDE`] places behind it, and the owner of a long segment
//! [fetches](Segment::fetch) its blocks along several links at the same time.

use core::ptr::NonNull;

use super::{MAX_CLASSES, next};
use crate::granule::GRANULE;

/// A list of blocks of one heap that nobody else uses.
#[derive(Debug)]
pub struct Parcel {
    first: Segment,
    last: NonNull<u8>,
    blocks: usize,
    granules: usize,
    /// The last blocks of the first segment, except its first one. Blocks are numbered from 0 in the order in which they
    /// were added to the segment, and number `n` is at `n % STRIDE`.
    recent: [Option<NonNull<u8>>; STRIDE],
}

// SAFETY: A parcel is the only way to its blocks.
unsafe impl Send for Parcel {}

/// A parcel is full when it has this many blocks,
const FULL_BLOCKS: usize = 64;

/// or this many granules, which are 64 KiB.
const FULL_GRANULES: usize = (64 << 10) / GRANULE;

/// How many blocks are fetched at the same time. The owner waits `STRIDE` times for a single block, and then up to
/// `FULL_BLOCKS / STRIDE` times for `STRIDE` blocks at once. With the square root of [`FULL_BLOCKS`], it waits least.
/// `cargo xtask suite` with the program `xmalloc-test` measures it.
const STRIDE: usize = 8;

impl Parcel {
    /// A parcel of one block.
    ///
    /// # Safety
    ///
    /// The block has `len` granules, at least two, and nobody uses it. The pointer is valid for all of it.
    pub(super) unsafe fn of(block: NonNull<u8>, len: usize) -> Self {
        let first = Segment { first: block, last: block, len, blocks: 1 };
        // SAFETY: The block has room for two words.
        unsafe { first.write(None) };
        Self { first, last: block, blocks: 1, granules: len, recent: [None; STRIDE] }
    }

    /// Adds a block.
    ///
    /// # Safety
    ///
    /// As for [`of`](Self::of).
    pub(super) unsafe fn add(&mut self, block: NonNull<u8>, len: usize) {
        let Segment { first: next, blocks: before, .. } = self.first;
        debug_assert!(block != next && !self.is_full(), "a block is once in a parcel with room");
        self.first = self.first.with(block, len);
        if self.first.blocks > 1 {
            // The block added before is no longer the first one of the segment.
            let number = before - 1;
            let skipped = self.recent[number % STRIDE].replace(next).filter(|_| number >= STRIDE);
            // SAFETY: All blocks of the parcel have room for two words.
            unsafe { second_word(next).write(skipped) };
        }
        // SAFETY: The block has room for two words.
        unsafe { self.first.write(Some(next)) };
        self.blocks += 1;
        self.granules += len;
        debug_assert!(self.first.blocks <= self.blocks, "a segment is a part of its parcel");
    }

    /// The first block.
    pub(super) fn first(&self) -> NonNull<u8> {
        self.first.first
    }

    /// Whether the parcel is full, and should be sent.
    pub(super) fn is_full(&self) -> bool {
        self.blocks >= FULL_BLOCKS || self.granules >= FULL_GRANULES
    }

    /// Calls `f` with each block, which then owns the block.
    pub fn for_each(self, mut f: impl FnMut(NonNull<u8>)) {
        let mut left = self.blocks;
        let mut at = Some(self.first.first);
        while let Some(block) = at.filter(|_| left > 0) {
            // SAFETY: It is a block of the parcel, which links to the next one, if there is one.
            at = unsafe { next(block) };
            left -= 1;
            f(block);
        }
    }

    /// Returns the first and the last block, between which the blocks are linked. Parcels can be joined to a list by
    /// them.
    #[must_use]
    pub fn into_ends(self) -> [NonNull<u8>; 2] {
        [self.first.first, self.last]
    }
}

/// Blocks of one size in a parcel, each of which links to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub(crate) first: NonNull<u8>,
    pub(crate) last: NonNull<u8>,
    /// The granules of each block.
    pub(crate) len: usize,
    pub(crate) blocks: usize,
}

/// The bits of the word of a segment. The lowest bit is set if there is one block, and the other bits are its size.
/// Otherwise, the other bits are the number of blocks, their size, which has a quick list, and the distance from the
/// first block to the last one. On 32-bit machines, few bits are left for the distance, so most segments have one
/// block.
const ONE: usize = 1;
const COUNT_BITS: u32 = 7;
const LEN_BITS: u32 = 17;
const COUNT_SHIFT: u32 = 1;
const LEN_SHIFT: u32 = COUNT_SHIFT + COUNT_BITS;
const DISTANCE_SHIFT: u32 = LEN_SHIFT + LEN_BITS;
const DISTANCE_BITS: u32 = usize::BITS - DISTANCE_SHIFT;

static_assertions::const_assert!(FULL_BLOCKS < 1 << COUNT_BITS);
static_assertions::const_assert!(MAX_CLASSES <= 1 << LEN_BITS);

impl Segment {
    /// The segment with a block of `len` granules added as the first one. If the block has another size, or lies too
    /// far away, a segment of only this block.
    fn with(self, block: NonNull<u8>, len: usize) -> Self {
        let longer = Self { first: block, blocks: self.blocks + 1, ..self };
        if len == self.len && longer.is_encodable() {
            longer
        } else {
            Self { first: block, last: block, len, blocks: 1 }
        }
    }

    /// Granules from the first block to the last one, in either direction.
    fn distance(self) -> isize {
        let bytes = self.last.addr().get().wrapping_sub(self.first.addr().get()) as isize;
        bytes / GRANULE as isize
    }

    /// Whether the segment can be stored in a word.
    fn is_encodable(self) -> bool {
        let most = 1 << (DISTANCE_BITS - 1);
        let fits = (-most..most).contains(&self.distance());
        fits && self.len >> LEN_BITS == 0 && self.blocks >> COUNT_BITS == 0
    }

    fn encode(self) -> usize {
        if self.blocks == 1 {
            debug_assert!(
                self.len <= usize::MAX >> COUNT_SHIFT,
                "a block is smaller than all memory"
            );
            return self.len << COUNT_SHIFT | ONE;
        }
        debug_assert!(self.is_encodable());
        let distance = self.distance() as usize;
        distance << DISTANCE_SHIFT | self.len << LEN_SHIFT | self.blocks << COUNT_SHIFT
    }

    /// Writes the segment to its first block, with a link to the next block.
    ///
    /// # Safety
    ///
    /// Nobody uses the block, which has room for two words.
    unsafe fn write(self, next: Option<NonNull<u8>>) {
        let link = self.first.cast::<Option<NonNull<u8>>>();
        // SAFETY: The block has room for both.
        unsafe {
            link.write(next);
            link.add(1).cast::<usize>().write(self.encode());
        }
    }

    /// The segment that starts with a block, and the first block of the next one.
    ///
    /// # Safety
    ///
    /// `first` is the first block of a segment of a parcel, or of parcels in a list.
    #[must_use]
    pub unsafe fn read(first: NonNull<u8>) -> (Self, Option<NonNull<u8>>) {
        // SAFETY: The first block of a segment starts with two words.
        let word = unsafe { first.cast::<usize>().add(1).read() };
        let segment = if word & ONE != 0 {
            Self { first, last: first, len: word >> COUNT_SHIFT, blocks: 1 }
        } else {
            let bytes = (word as isize >> DISTANCE_SHIFT) * GRANULE as isize;
            // SAFETY: The last block is one of the same heap, and the pointer is valid for all of that heap's memory.
            let last = unsafe { first.byte_offset(bytes) };
            let len = word >> LEN_SHIFT & ((1 << LEN_BITS) - 1);
            Self { first, last, len, blocks: word >> COUNT_SHIFT & ((1 << COUNT_BITS) - 1) }
        };
        let last = segment.last;
        // SAFETY: It starts with a link.
        (segment, unsafe { next(last) })
    }

    /// Reads all blocks of a long segment, so that they are in the cache of this processor when they are allocated.
    ///
    /// # Safety
    ///
    /// The segment has been [read](Self::read) from a parcel, and nobody has used its blocks since then.
    #[inline(always)]
    pub(crate) unsafe fn fetch(&self) {
        // A volatile read is not optimised away.
        // SAFETY: The segment is as `visit` requires. A block has room for two words.
        unsafe { self.visit(|block| second_word(block).read_volatile()) }
    }

    /// Calls `skipped` with each block of a long segment except the first one. It returns the second word of the block.
    ///
    /// # Safety
    ///
    /// As for [`fetch`](Self::fetch).
    #[inline(always)]
    unsafe fn visit(&self, mut skipped: impl FnMut(NonNull<u8>) -> Option<NonNull<u8>>) {
        if self.blocks < 2 * STRIDE {
            return;
        }
        let mut chains = [self.first; STRIDE];
        let mut block = self.first;
        for chain in &mut chains {
            // SAFETY: Each block of the segment but the last one links to the next one.
            let Some(next) = (unsafe { next(block) }) else { return };
            (block, *chain) = (next, next);
        }
        for _ in 0..(self.blocks - 1).div_ceil(STRIDE) {
            for chain in &mut chains {
                // The second word is the place of another block of the segment, if any.
                if let Some(skipped) = skipped(*chain) {
                    *chain = skipped;
                }
            }
        }
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks
    }
}

/// The second word of a block that is not the first one of its segment: the block [`STRIDE`] places behind it.
fn second_word(block: NonNull<u8>) -> *mut Option<NonNull<u8>> {
    block.as_ptr().cast::<Option<NonNull<u8>>>().wrapping_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// Returns the segments read back from a parcel of blocks with these offsets and sizes, in an array of words.
    fn segments(blocks: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let mut memory = vec![0_usize; 4096];
        let base = NonNull::new(memory.as_mut_ptr()).unwrap();
        // SAFETY: The offsets are in the array.
        let block = |at: usize| unsafe { base.add(at).cast::<u8>() };
        // SAFETY: The blocks are in the array, and at least two words apart.
        let parcel = unsafe {
            let mut parcel = Parcel::of(block(blocks[0].0), blocks[0].1);
            for (at, len) in &blocks[1..] {
                parcel.add(block(*at), *len);
            }
            parcel
        };
        let [first, last] = parcel.into_ends();
        assert_eq!(last, block(blocks[0].0));
        let (mut found, mut at) = (Vec::new(), Some(first));
        while let Some(first) = at {
            // SAFETY: This is the first block of a segment.
            let (segment, next) = unsafe { Segment::read(first) };
            found.push((segment.len, segment.blocks));
            at = next;
        }
        found
    }

    #[test]
    fn blocks_of_one_size_are_a_segment() {
        let is_wide = usize::BITS == 64;
        assert_eq!(segments(&[(0, 2)]), [(2, 1)]);
        let three = segments(&[(40, 5), (0, 5), (4000, 5)]);
        assert_eq!(three, if is_wide { vec![(5, 3)] } else { vec![(5, 1); 3] });
        let mixed = segments(&[(40, 5), (0, 5), (4000, 3), (10, 5), (20, 9), (80, 9)]);
        if is_wide {
            assert_eq!(mixed, [(9, 2), (5, 1), (3, 1), (5, 2)]);
        }
    }

    /// On 32-bit machines, the blocks are too far apart for a segment.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn each_further_block_says_which_one_is_a_stride_behind() {
        let mut memory = vec![0_usize; 4096];
        let base = NonNull::new(memory.as_mut_ptr()).unwrap();
        // Blocks of two words in no order, and a block of another size before and after the segment.
        // SAFETY: The places are in the array, and two words apart.
        let block = |number: usize| unsafe { base.add(number * 37 % 512 * 4).cast::<u8>() };
        for blocks in [1, 2, STRIDE, STRIDE + 1, 2 * STRIDE, 2 * STRIDE + 7, FULL_BLOCKS - 2] {
            // SAFETY: Nobody else uses the array, and each place is one block.
            let (first, next) = unsafe {
                let mut parcel = Parcel::of(block(blocks), 3);
                (0..blocks).for_each(|number| parcel.add(block(number), 2));
                parcel.add(block(blocks + 1), 3);
                let (other, first) = Segment::read(parcel.into_ends()[0]);
                assert_eq!(other.len, 3);
                Segment::read(first.unwrap())
            };
            assert_eq!((first.blocks, next), (blocks, Some(block(blocks))));
            for number in 0..blocks - 1 {
                // SAFETY: The block is in the array.
                let skipped = unsafe { second_word(block(number)).read() };
                assert_eq!(skipped, number.checked_sub(STRIDE).map(block), "{number}");
            }
            let mut visited = Vec::new();
            // SAFETY: The segment has just been read, and its blocks are in the array.
            unsafe {
                first.fetch();
                first.visit(|block| {
                    visited.push(block);
                    second_word(block).read()
                });
            }
            visited.sort_unstable();
            visited.dedup();
            let is_long = blocks >= 2 * STRIDE;
            let mut expected: Vec<_> = (0..blocks - 1).filter(|_| is_long).map(block).collect();
            expected.sort_unstable();
            assert_eq!(visited, expected, "{blocks}");
        }
    }

    #[test]
    fn a_segment_is_read_as_it_was_written() {
        let mut memory = [0_usize; 64];
        let last = NonNull::from(&mut memory).cast::<u8>();
        // SAFETY: The block is in the array.
        let first = unsafe { last.add(8 * 8) };
        let read_back = |segment: Segment| {
            // SAFETY: The array has room for two words at each block.
            unsafe {
                segment.write(None);
                Segment::read(segment.first).0
            }
        };
        // The last size is the whole address space of a 32-bit machine.
        for len in [2, 17, MAX_CLASSES, 1 << 24, 1 << 29] {
            let segment = Segment { first, last: first, len, blocks: 1 };
            assert_eq!(read_back(segment), segment);
        }
        for (len, blocks) in [(2, 2), (MAX_CLASSES - 1, FULL_BLOCKS), (5, 127)] {
            for (first, last) in [(first, last), (last, first)] {
                let segment = Segment { first, last, len, blocks };
                assert!(segment.is_encodable());
                assert_eq!(read_back(segment), segment);
            }
        }
    }

    #[test]
    fn what_does_not_fit_begins_a_segment() {
        let mut memory = [0_usize; 4];
        let block = NonNull::from(&mut memory).cast::<u8>();
        let of = |len, blocks| Segment { first: block, last: block, len, blocks };
        assert_eq!(of(5, 3).with(block, 5), of(5, 4));
        for (before, len) in [(of(5, 3), 6), (of(5, 127), 5), (of(1 << LEN_BITS, 1), 1 << LEN_BITS)]
        {
            assert_eq!(before.with(block, len), of(len, 1));
        }
    }
}
