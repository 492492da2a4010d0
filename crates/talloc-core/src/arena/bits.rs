//! The boundary bits: one per granule, out of line.

/// Bits in a word of the bitmap.
pub(crate) const WORD: usize = usize::BITS as usize;

/// Bytes in a word of the bitmap.
pub(crate) const WORD_BYTES: usize = size_of::<usize>();

/// A bit for each granule of an arena, Knuth's boundary tag reduced to what must be known of a
/// neighbour (The Art of Computer Programming, volume 1, section 2.5).
///
/// Invariant I3: a granule's bit is set if and only if it is the first or the last one of a free
/// chunk.
#[derive(Clone, Copy)]
pub(crate) struct Bits {
    /// Where the word of granule 0 would be, with the provenance of the arena's memory.
    words: *mut usize,
}

impl Bits {
    /// The bits of an arena without memory.
    pub(crate) const NONE: Self = Self { words: core::ptr::null_mut() };

    /// Bits whose `first`th word is at `ptr`.
    pub(crate) fn at(ptr: *mut u8, first: usize) -> Self {
        Self { words: ptr.cast::<usize>().wrapping_sub(first) }
    }

    /// A pointer to the `word`th word.
    #[inline(always)]
    pub(crate) fn word(self, word: usize) -> *mut usize {
        self.words.wrapping_add(word)
    }

    /// The bit of granule `at`.
    ///
    /// # Safety
    ///
    /// The bitmap covers the granule, and its word has been cleared before.
    #[inline(always)]
    pub(crate) unsafe fn get(self, at: usize) -> bool {
        // SAFETY: The word lies in the bitmap and is initialised.
        unsafe { self.word(at / WORD).read() >> (at % WORD) & 1 != 0 }
    }

    /// Sets the bit of granule `at`.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get).
    #[inline(always)]
    pub(crate) unsafe fn set(self, at: usize) {
        // SAFETY: The word lies in the bitmap and is initialised.
        unsafe { *self.word(at / WORD) |= 1 << (at % WORD) }
    }

    /// Clears the bit of granule `at`.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get).
    #[inline(always)]
    pub(crate) unsafe fn clear(self, at: usize) {
        // SAFETY: The word lies in the bitmap and is initialised.
        unsafe { *self.word(at / WORD) &= !(1 << (at % WORD)) }
    }

    /// The first granule from `at` on, and below `end`, whose bit is set.
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
        let mut bits = unsafe { self.word(word).read() } >> (at % WORD) << (at % WORD);
        while bits == 0 {
            word += 1;
            if word * WORD >= end {
                return None;
            }
            // SAFETY: As above.
            bits = unsafe { self.word(word).read() };
        }
        let found = word * WORD + bits.trailing_zeros() as usize;
        (found < end).then_some(found)
    }
}
