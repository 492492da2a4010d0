//! The boundary bits, which tell where free chunks begin and end. They are stored apart from the chunks.

use core::marker::PhantomData;
use core::ops::Range;

use talloc_span::Span;

use crate::config::{Config, Level};

/// Bits in a word of the bitmap.
pub(crate) const WORD: usize = usize::BITS as usize;

/// A bit for each granule of an arena. It is Knuth's boundary tag (The Art of Computer Programming, volume 1,
/// section 2.5), reduced to one bit.
///
/// Invariant I3: a granule's bit is set if and only if the granule is the first or the last one of a free chunk.
///
/// In a checked heap, each word of boundary bits is followed by a word with a second bit for each granule. The second
/// bit is set for the first granule of each block (I11). The first granule of a cached block has both bits set. A
/// granule of a free chunk never has.
///
/// A block ends where the next chunk starts. To find that quickly, the first pair of words whose granules all belong to
/// one block stores the block's length: the first word is the length, and the second word has all bits set. Such a
/// second word is never a word of marks, because a block has two granules or more.
pub(crate) struct Bits<C> {
    /// Where the word of granule 0 would lie. The pointer has the provenance of the arena's memory.
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

    /// How many words stand for one word's worth of granules.
    const WORDS: usize = if C::CHECKED { 2 } else { 1 };

    /// How many bytes stand for one word's worth of granules.
    pub(crate) const BYTES: usize = Self::WORDS * size_of::<usize>();

    /// Bits whose word number `first` lies at `ptr`.
    pub(crate) fn at(ptr: *mut u8, first: usize) -> Self {
        let words = ptr.cast::<usize>().wrapping_sub(first * Self::WORDS);
        Self { words, config: PhantomData }
    }

    /// A pointer to a word of boundary bits.
    #[inline(always)]
    pub(super) fn word(self, word: usize) -> *mut usize {
        self.words.wrapping_add(word * Self::WORDS)
    }

    /// A word of boundary bits, without the bits of cached blocks.
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
        unsafe {
            let word = self.word(at / WORD).read();
            let is_free = if C::CHECKED { self.get(at) } else { word >> (at % WORD) & 1 != 0 };
            (is_free, word)
        }
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

    /// The memory of some words.
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
