//! The boundary bits, which tell where free chunks begin and end. They are stored apart from the chunks.

use core::marker::PhantomData;
use core::ops::Range;

use talloc_span::Span;

use crate::config::{Config, Level};

/// Bits in a word of the bitmap.
pub(super) const WORD: usize = usize::BITS as usize;

/// How many granules a unit of the bitmap stands for: one word, or two words in a checked heap.
pub(crate) const UNIT: usize = WORD;

/// What the two bits of a granule say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing. The granule lies within a chunk, or is the first one of the arena's own chunk.
    Nothing = 0,
    /// The granule is the first or the last one of a free chunk.
    Free = 1,
    /// The granule is the first one of an allocated block.
    Used = 2,
    /// The granule is the first one of a cached block.
    Cached = 3,
}

/// The bits of a granule.
pub(super) const MASK: usize = 3;

/// A bit for each granule of an arena. It is Knuth's boundary tag (The Art of Computer Programming, volume 1,
/// section 2.5), reduced to one bit.
///
/// Invariant I3: a granule's bit is set if and only if the granule is the first or the last one of a free chunk.
///
/// In a checked heap, each boundary bit is followed by a second bit for the same granule, and a unit is two words. The
/// second bit is set for the first granule of each block (I11). The first granule of a cached block has both bits set. A
/// granule of a free chunk never has.
///
/// A block ends where the next chunk starts. To find that quickly, the first word whose granules all belong to one block
/// stores the block's length: see `marks.rs`.
pub(crate) struct Bits<C> {
    /// Where the bits of granule 0 would lie. The pointer has the provenance of the arena's memory.
    words: *mut usize,
    config: PhantomData<C>,
}

impl<C> Clone for Bits<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Bits<C> {}

impl<C: Config> Bits<C> {
    /// The bits of an arena without memory.
    pub(crate) const NONE: Self = Self { words: core::ptr::null_mut(), config: PhantomData };

    /// Words of a unit, which are as many as there are bits for a granule.
    const WORDS: usize = if C::CHECKED { 2 } else { 1 };

    /// Bytes of a unit.
    pub(crate) const BYTES: usize = Self::WORDS * size_of::<usize>();

    /// Granules of a word.
    pub(super) const PER_WORD: usize = WORD / Self::WORDS;

    /// The position of a granule's boundary bit in its word.
    #[inline(always)]
    pub(super) fn shift(at: usize) -> usize {
        at % Self::PER_WORD * Self::WORDS
    }

    /// Bits whose unit number `first` lies at `ptr`.
    pub(crate) fn at(ptr: *mut u8, first: usize) -> Self {
        let words = ptr.cast::<usize>().wrapping_sub(first * Self::WORDS);
        Self { words, config: PhantomData }
    }

    /// A pointer to the word with the bits of granule `at`.
    #[inline(always)]
    pub(super) fn word(self, at: usize) -> *mut usize {
        self.words.wrapping_add(at / Self::PER_WORD)
    }

    /// Whether a word says that granule `at` is the first or the last one of a free chunk.
    #[inline(always)]
    fn is_free_in(word: usize, at: usize) -> bool {
        let bits = word >> Self::shift(at);
        if C::CHECKED { bits & MASK == Mark::Free as usize } else { bits & 1 != 0 }
    }

    /// A word with the boundary bits of free chunks, of the granules from `at` on in the word of `at`.
    ///
    /// # Safety
    ///
    /// It lies in the bitmap, and has been cleared before.
    #[inline(always)]
    unsafe fn free_bits(self, at: usize) -> usize {
        // SAFETY: The word lies in the bitmap and is initialised.
        let word = unsafe { self.word(at).read() };
        let free = if C::CHECKED { Self::free_in(word) } else { word };
        free >> Self::shift(at) << Self::shift(at)
    }

    /// Whether granule `at` is the first or the last one of a free chunk.
    ///
    /// # Safety
    ///
    /// The bitmap covers the granule, and its word has been cleared before.
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(crate) unsafe fn get(self, at: usize) -> bool {
        // SAFETY: The bitmap covers the granule, whose word has been cleared, by the contract of this function.
        unsafe { self.look(at) }.0
    }

    /// [`get`](Self::get), and the word that it has read.
    ///
    /// [`clear_in`](Self::clear_in) takes that word, which saves another read. The word must not change between the two
    /// calls.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get).
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn look(self, at: usize) -> (bool, usize) {
        // SAFETY: The word lies in the bitmap and is initialised.
        let word = unsafe { self.word(at).read() };
        (Self::is_free_in(word, at), word)
    }

    /// Clears the boundary bit of granule `at`. `word` is what [`look`](Self::look) has returned.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get).
    #[inline(always)]
    pub(super) unsafe fn clear_in(self, word: usize, at: usize) {
        // The mask is rotated, not shifted and inverted. The compiler would share an inverted mask with the test in
        // `look` and compute it early, although x86 tests a bit without a mask.
        let others = (!1_usize).rotate_left(Self::shift(at) as u32);
        // SAFETY: The word lies in the bitmap and is initialised.
        let is_same = || unsafe { self.word(at).read() == word };
        debug_assert!(is_same(), "the word is as it was found");
        debug_assert_ne!(word & !others, 0, "I3: an end of a free chunk is marked");
        // SAFETY: The word lies in the bitmap.
        unsafe { self.word(at).write(word & others) }
    }

    /// Sets the boundary bit of granule `at`.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get).
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(crate) unsafe fn set(self, at: usize) {
        // SAFETY: The word lies in the bitmap and is initialised.
        unsafe { *self.word(at) |= 1 << Self::shift(at) }
    }

    /// Clears the boundary bit of granule `at`.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get).
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(crate) unsafe fn clear(self, at: usize) {
        // SAFETY: The word lies in the bitmap and is initialised.
        unsafe { *self.word(at) &= !(1 << Self::shift(at)) }
    }

    /// The first granule in `at..end` that is the first or the last one of a free chunk.
    ///
    /// Takes time in proportion to the words that it reads.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get), for all granules in `at..end`.
    pub(crate) unsafe fn next(self, at: usize, end: usize) -> Option<usize> {
        if at >= end {
            return None;
        }
        // SAFETY: The words up to that of the last granule below `end` lie in the bitmap.
        let mut bits = unsafe { self.free_bits(at) };
        let mut start = at - at % Self::PER_WORD;
        while bits == 0 {
            start += Self::PER_WORD;
            if start >= end {
                return None;
            }
            // SAFETY: As above.
            bits = unsafe { self.free_bits(start) };
        }
        let found = start + bits.trailing_zeros() as usize / Self::WORDS;
        (found < end).then_some(found)
    }

    /// The memory of some units.
    pub(super) fn span_of(self, units: Range<usize>) -> Span {
        Span::from_ptr_size(self.unit(units.start).cast(), units.len() * Self::BYTES)
    }

    /// Clears all bits in these units.
    ///
    /// # Safety
    ///
    /// The units lie in the bitmap.
    pub(crate) unsafe fn clear_units(self, units: Range<usize>) {
        // SAFETY: The units lie in the bitmap, by the contract of this function.
        unsafe { self.unit(units.start).write_bytes(0, units.len() * Self::WORDS) };
    }

    /// Copies all bits in these units from another bitmap, which may overlap this one.
    ///
    /// # Safety
    ///
    /// The units lie in both bitmaps.
    pub(crate) unsafe fn copy_units(self, from: Self, units: Range<usize>) {
        let (from, to) = (from.unit(units.start), self.unit(units.start));
        // SAFETY: The units lie in both bitmaps, by the contract of this function.
        unsafe { to.copy_from(from, units.len() * Self::WORDS) };
    }

    /// A pointer to the first word of a unit.
    fn unit(self, unit: usize) -> *mut usize {
        self.words.wrapping_add(unit * Self::WORDS)
    }
}
