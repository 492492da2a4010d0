//! The bits that tell where chunks begin and end, out of line.

use core::marker::PhantomData;
use core::ops::Range;

use talloc_span::Span;

use crate::config::Config;

/// Bits in a word of the bitmap.
pub(crate) const WORD: usize = usize::BITS as usize;

/// A bit for each granule of an arena, Knuth's boundary tag reduced to what must be known of a
/// neighbour (The Art of Computer Programming, volume 1, section 2.5).
///
/// Invariant I3: a granule's bit is set if and only if it is the first or the last one of a free
/// chunk.
///
/// In a checked heap, each word is followed by another one with a second bit for each granule,
/// which is set for the first one of every block (I11). A cached block has both bits set there,
/// which no granule of a free chunk has.
///
/// Where a block ends is where the next chunk starts. That this is not far to look, the first pair
/// of words that has no granule but those of one block tells how long that is: the first word is
/// its length, and the second one has all bits set, which blocks of two granules and more never do.
pub(crate) struct Bits<C> {
    /// Where the word of granule 0 would be, with the provenance of the arena's memory.
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

    /// How many words there are for as many granules as a word has bits.
    const WORDS: usize = if C::CHECKED { 2 } else { 1 };

    /// Bytes of all the bits of as many granules as a word has bits.
    pub(crate) const BYTES: usize = Self::WORDS * size_of::<usize>();

    /// Bits whose `first`th word is at `ptr`.
    pub(crate) fn at(ptr: *mut u8, first: usize) -> Self {
        let words = ptr.cast::<usize>().wrapping_sub(first * Self::WORDS);
        Self { words, config: PhantomData }
    }

    /// A pointer to the `word`th word of boundary bits.
    #[inline(always)]
    pub(super) fn word(self, word: usize) -> *mut usize {
        self.words.wrapping_add(word * Self::WORDS)
    }

    /// The `word`th word of boundary bits, without those of cached blocks.
    ///
    /// # Safety
    ///
    /// It lies in the bitmap, and has been cleared before.
    #[inline(always)]
    unsafe fn free_bits(self, word: usize) -> usize {
        // SAFETY: The words lie in the bitmap and are initialised.
        unsafe {
            let bits = self.word(word).read();
            if C::CHECKED { bits & !self.word(word).add(1).read() } else { bits }
        }
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
        unsafe { self.free_bits(at / WORD) >> (at % WORD) & 1 != 0 }
    }

    /// Whether granule `at` is the first or the last one of a free chunk, and the word that tells.
    ///
    /// Nothing else may change the word before it is written back, as by
    /// [`clear_in`](Self::clear_in): that saves a second look at memory.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get).
    #[cfg_attr(small, inline(never))]
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn look(self, at: usize) -> (bool, usize) {
        // SAFETY: The word lies in the bitmap and is initialised.
        unsafe {
            let word = self.word(at / WORD).read();
            let is_free = if C::CHECKED { self.get(at) } else { word >> (at % WORD) & 1 != 0 };
            (is_free, word)
        }
    }

    /// Clears the boundary bit of granule `at`, whose word is as [`look`](Self::look) found it.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get).
    #[inline(always)]
    pub(super) unsafe fn clear_in(self, word: usize, at: usize) {
        // Rotated rather than shifted and inverted. A mask of the latter kind would be computed ahead of
        // the test in `look` as well, for which x86 has an instruction that needs no mask.
        let others = (!1_usize).rotate_left((at % WORD) as u32);
        // SAFETY: The word lies in the bitmap and is initialised.
        let is_same = || unsafe { self.word(at / WORD).read() == word };
        debug_assert!(is_same(), "the word is as it was found");
        debug_assert_ne!(word & !others, 0, "I3: an end of a free chunk is marked");
        // SAFETY: The word lies in the bitmap.
        unsafe { self.word(at / WORD).write(word & others) }
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
        unsafe { *self.word(at / WORD) |= 1 << (at % WORD) }
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
        unsafe { *self.word(at / WORD) &= !(1 << (at % WORD)) }
    }

    /// The first granule from `at` on, and below `end`, that is the first or the last one of a free
    /// chunk.
    ///
    /// Takes time in proportion to the words between.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get), for all granules between.
    pub(crate) unsafe fn next(self, at: usize, end: usize) -> Option<usize> {
        if at >= end {
            return None;
        }
        let mut word = at / WORD;
        // SAFETY: The words up to that of the last granule below `end` lie in the bitmap.
        let mut bits = unsafe { self.free_bits(word) } >> (at % WORD) << (at % WORD);
        while bits == 0 {
            word += 1;
            if word * WORD >= end {
                return None;
            }
            // SAFETY: As above.
            bits = unsafe { self.free_bits(word) };
        }
        let found = word * WORD + bits.trailing_zeros() as usize;
        (found < end).then_some(found)
    }

    /// The memory of these words.
    pub(super) fn span_of(self, words: Range<usize>) -> Span {
        Span::from_ptr_size(self.word(words.start).cast(), words.len() * Self::BYTES)
    }

    /// Clears all bits in these words.
    ///
    /// # Safety
    ///
    /// The words lie in the bitmap.
    pub(crate) unsafe fn clear_words(self, words: Range<usize>) {
        // SAFETY: The words lie in the bitmap, by the contract of this function.
        unsafe { self.word(words.start).write_bytes(0, words.len() * Self::WORDS) };
    }

    /// Copies all bits in these words from another bitmap, which may overlap this one.
    ///
    /// # Safety
    ///
    /// The words lie in both bitmaps.
    pub(crate) unsafe fn copy_words(self, from: Self, words: Range<usize>) {
        let (from, to) = (from.word(words.start), self.word(words.start));
        // SAFETY: The words lie in both bitmaps, by the contract of this function.
        unsafe { to.copy_from(from, words.len() * Self::WORDS) };
    }
}
