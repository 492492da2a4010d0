//! The marks of a checked heap: two bits for each granule, which tell where blocks start and how long they are.
//!
//! A block ends where the next chunk starts, which is the next granule with a mark. A long block would take long to scan.
//! The first word whose granules all belong to one block, if there is one, therefore stores the block's length, with the
//! [`LEN`] bits set. In a word of marks, these bits would mark two neighbouring granules as the first ones of blocks. A
//! block has two granules or more, so there is no such word. Where words have 64 bits, the length is stored twice, so a
//! bit that was flipped is noticed.

use super::bits::{Bits, MASK, Mark, WORD};
use crate::config::Config;
use crate::granule::min_linked;

/// The bits of the highest granule of a word.
const HIGHEST: usize = MASK << (WORD - 2);

/// The lower bit of each granule of a word.
const LOWER: usize = usize::MAX / MASK;

/// The bits that are set in a word that stores a length.
const LEN: usize = 7 << (WORD - 3);

/// Bits of a length, in granules. A link of 32 bits reaches no further, nor does an address of 32 bits.
const LEN_BITS: usize = if WORD == 64 { 32 } else { WORD - 3 };

/// The word that stores a length: the `LEN` bits, the complement of the length if there is room, and the length.
#[inline(always)]
fn encoded(len: usize) -> usize {
    debug_assert!(len >> (LEN_BITS - 1) <= 1, "a block is no larger than an arena");
    if WORD == LEN_BITS + 3 {
        return LEN | len;
    }
    let again = !(len ^ len >> (WORD - 3 - LEN_BITS)) << LEN_BITS;
    LEN | again | len
}

/// The length that a word stores, unless the word was changed.
#[inline(always)]
fn decoded(word: usize) -> Option<usize> {
    let len = word & ((1 << LEN_BITS) - 1);
    (encoded(len) == word).then_some(len)
}

/// Whether a word stores the length of a long block.
///
/// If blocks may have a single granule, any word may be one of marks. But then indices have 16 bits, and blocks are so
/// short that their end is found quickly.
#[inline(always)]
fn is_len<C: Config>(word: usize) -> bool {
    keeps_len::<C>() && word >= LEN
}

const fn keeps_len<C: Config>() -> bool {
    min_linked::<C::Index>() > 1
}

/// A word with the lower bit of each granule that has any mark in `word`.
#[inline(always)]
fn marks<C: Config>(word: usize) -> usize {
    if is_len::<C>(word) { 0 } else { (word | word >> 1) & LOWER }
}

/// A word with the lower bit of each granule that `word` marks as the first one of a block.
#[inline(always)]
fn blocks<C: Config>(word: usize) -> usize {
    if is_len::<C>(word) { 0 } else { word >> 1 & LOWER }
}

impl<C: Config> Bits<C> {
    /// A word with the lower bit of each granule that a word marks as an end of a free chunk.
    #[inline(always)]
    pub(super) fn free_in(word: usize) -> usize {
        if is_len::<C>(word) { 0 } else { word & !(word >> 1) & LOWER }
    }

    /// The first granule of the word after that of `at`.
    #[inline(always)]
    fn next_word(at: usize) -> usize {
        at - at % Self::PER_WORD + Self::PER_WORD
    }

    /// The first granule of the word that stores the length of a block of `len` granules at granule `at`, if one does.
    #[inline(always)]
    fn len_word(at: usize, len: usize) -> Option<usize> {
        let next = Self::next_word(at);
        (keeps_len::<C>() && at + len >= next + Self::PER_WORD).then_some(next)
    }
}

/// The safety conditions are the same for all of them. The heap is checked, the bitmap covers the granules, and the
/// words up to that of the block's end have been cleared before (I1).
#[allow(clippy::missing_safety_doc, reason = "it is the same for all")]
impl<C: Config> Bits<C> {
    /// The mark of granule `at`.
    pub(super) unsafe fn mark(self, at: usize) -> Mark {
        // SAFETY: The word lies in the bitmap and is initialised (I1).
        let word = unsafe { self.word(at).read() };
        if is_len::<C>(word) {
            return Mark::Nothing;
        }
        match word >> Self::shift(at) & MASK {
            0 => Mark::Nothing,
            1 => Mark::Free,
            2 => Mark::Used,
            _ => Mark::Cached,
        }
    }

    /// Marks granule `at`, which has no mark, as the first one of an allocated block of `len` granules.
    #[inline(always)]
    pub(super) unsafe fn mark_used(self, at: usize, len: usize) {
        // SAFETY: The bitmap covers the granule, whose word has been cleared (I1).
        debug_assert_eq!(unsafe { self.mark(at) }, Mark::Nothing, "I11: a block has one mark");
        // SAFETY: The words lie in the bitmap and are initialised.
        unsafe {
            *self.word(at) |= (Mark::Used as usize) << Self::shift(at);
            self.set_len(at, len, encoded(len));
            debug_assert_eq!(self.mark(at), Mark::Used, "I11: a block has one mark");
            debug_assert!(self.has_len(at, len), "I11: the marks tell the length");
        }
    }

    /// Removes the marks of a block of `len` granules at granule `at`.
    #[inline(always)]
    pub(super) unsafe fn unmark(self, at: usize, len: usize) {
        // SAFETY: The words lie in the bitmap and are initialised.
        unsafe {
            debug_assert!(self.has_len(at, len), "I11: the marks tell the length");
            *self.word(at) &= !(MASK << Self::shift(at));
            self.set_len(at, len, 0);
            debug_assert_eq!(self.mark(at), Mark::Nothing, "I11: it is a block no longer");
        }
    }

    /// Changes the marks of a block of `old` granules at granule `at` to those of one of `new`.
    #[inline(always)]
    pub(super) unsafe fn change_len(self, at: usize, old: usize, new: usize) {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        unsafe {
            debug_assert!(self.has_len(at, old), "I11: the marks tell the length");
            self.set_len(at, old, 0);
            self.set_len(at, new, encoded(new));
            debug_assert!(self.has_len(at, new), "I11: the marks tell the length");
        }
    }

    /// Whether the word that tells the length of a block of `len` granules says so, if there is one.
    pub(super) unsafe fn has_len(self, at: usize, len: usize) -> bool {
        Self::len_word(at, len).is_none_or(|word| {
            // SAFETY: All the word's granules are the block's, and so below the top, where words have been cleared (I1).
            unsafe { self.word(word).read() == encoded(len) }
        })
    }

    /// Flips a bit of the word that stores the length of a block of `len` granules. There is one.
    #[cfg(test)]
    pub(super) unsafe fn flip_len(self, at: usize, len: usize, bit: usize) {
        let word = Self::len_word(at, len).unwrap();
        // SAFETY: The word lies in the bitmap and is initialised.
        unsafe { *self.word(word) ^= 1 << bit }
    }

    /// Sets the word that stores the length of a block of `len` granules, if there is one.
    #[inline(always)]
    unsafe fn set_len(self, at: usize, len: usize, value: usize) {
        if let Some(word) = Self::len_word(at, len) {
            // SAFETY: All the word's granules are the block's.
            unsafe { self.word(word).write(value) }
        }
    }

    /// Whether a block of `len` granules with this mark starts at granule `at`, and two words tell that: the next one
    /// has its length, or the mark of its end. The word after that of `at` has been cleared, too.
    #[inline(always)]
    pub(super) unsafe fn is_near_block(self, at: usize, len: usize, mark: Mark) -> bool {
        // SAFETY: The conditions are the same.
        let [first, next] = unsafe { self.words_from(at) };
        let shift = Self::shift(at);
        if is_len::<C>(first) {
            return false;
        }
        if is_len::<C>(next) {
            return first >> shift == mark as usize && decoded(next) == Some(len);
        }
        if len >= Self::PER_WORD {
            return false;
        }
        // The mark of the end becomes the highest one, and those above it are dropped.
        let marks = Self::join(first, next, shift) ^ mark as usize;
        let up_to_end = marks << (2 * (Self::PER_WORD - 1 - len));
        up_to_end != 0 && up_to_end & !HIGHEST == 0
    }

    /// How many granules the cached block that starts at granule `at` has, if two words tell that: the next one has its
    /// length, or the mark of its end. The word after that of `at` has been cleared, too.
    #[inline(always)]
    pub(super) unsafe fn near_cached_len(self, at: usize) -> Option<usize> {
        // SAFETY: The conditions are the same.
        let [first, next] = unsafe { self.words_from(at) };
        let shift = Self::shift(at);
        if is_len::<C>(first) {
            return None;
        }
        if is_len::<C>(next) {
            return decoded(next).filter(|_| first >> shift == Mark::Cached as usize);
        }
        let marks = Self::join(first, next, shift);
        let others = marks & !MASK;
        let is_cached = marks & MASK == Mark::Cached as usize;
        (is_cached && others != 0).then(|| others.trailing_zeros() as usize / 2)
    }

    /// The word of granule `at` and the next one, which has been cleared, too.
    #[inline(always)]
    unsafe fn words_from(self, at: usize) -> [usize; 2] {
        let word = self.word(at);
        // SAFETY: The words lie in the bitmap and are initialised (I1).
        unsafe { [word.read(), word.add(1).read()] }
    }

    /// The marks of as many granules as a word has, from the one at `shift` of two words on.
    #[inline(always)]
    fn join(first: usize, next: usize, shift: usize) -> usize {
        first >> shift | next << 1 << (WORD - 1 - shift)
    }

    /// Where the block that starts at granule `at` ends. The end is `limit` at the latest. `None` if the word that stores
    /// the block's length was changed.
    pub(super) unsafe fn block_end(self, at: usize, limit: usize) -> Option<usize> {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let first = marks::<C>(unsafe { self.word(at).read() });
        let mut found = first & (usize::MAX << 2 << Self::shift(at));
        let mut start = at - at % Self::PER_WORD;
        while found == 0 {
            start += Self::PER_WORD;
            if start >= limit {
                return Some(limit);
            }
            // SAFETY: As above.
            let word = unsafe { self.word(start).read() };
            if is_len::<C>(word) {
                return Some(at + decoded(word)?).filter(|end| at < *end && *end <= limit);
            }
            found = marks::<C>(word);
        }
        Some(limit.min(start + found.trailing_zeros() as usize / 2))
    }

    /// The first granule above `at` that is marked as the first one of a block. It is `limit` at the latest.
    ///
    /// Takes time in proportion to the words that it reads.
    pub(super) unsafe fn next_block(self, at: usize, limit: usize) -> usize {
        // SAFETY: The conditions are the same.
        unsafe { self.first_in(at + 1, limit, blocks::<C>) }.unwrap_or(limit)
    }

    /// The last granule in `start..=at` that has a mark.
    ///
    /// Takes time in proportion to the words that it reads.
    pub(super) unsafe fn last_mark(self, start: usize, at: usize) -> Option<usize> {
        let mut first = at - at % Self::PER_WORD;
        let unwanted = WORD - 2 - Self::shift(at);
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let mut found = marks::<C>(unsafe { self.word(at).read() }) << unwanted >> unwanted;
        while found == 0 {
            if first <= start {
                return None;
            }
            first -= Self::PER_WORD;
            // SAFETY: As above.
            found = marks::<C>(unsafe { self.word(first).read() });
        }
        let last = first + found.ilog2() as usize / 2;
        (last >= start).then_some(last)
    }

    /// Whether no granule in `at..end` is marked as the first of a block.
    ///
    /// Takes time in proportion to the words that it reads.
    pub(super) unsafe fn has_no_blocks(self, at: usize, end: usize) -> bool {
        // SAFETY: The conditions are the same.
        unsafe { self.first_in(at, end, blocks::<C>) }.is_none()
    }

    /// Whether no granule in `at..end` has any mark.
    ///
    /// Takes time in proportion to the words that it reads.
    pub(super) unsafe fn has_no_marks(self, at: usize, end: usize) -> bool {
        // SAFETY: The conditions are the same.
        unsafe { self.first_in(at, end, marks::<C>) }.is_none()
    }

    /// The first granule in `at..end` whose lower bit is set in the words that `bits` makes of those of the bitmap.
    unsafe fn first_in(
        self,
        at: usize,
        end: usize,
        bits: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let shift = Self::shift(at);
        let first = at - at % Self::PER_WORD;
        let found = (first..end).step_by(Self::PER_WORD).find_map(|start| {
            // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
            let bits = bits(unsafe { self.word(start).read() });
            let bits = if start == first { bits >> shift << shift } else { bits };
            (bits != 0).then(|| start + bits.trailing_zeros() as usize / 2)
        });
        found.filter(|found| *found < end)
    }
}
