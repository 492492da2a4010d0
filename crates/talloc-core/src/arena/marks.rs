//! The second bit of a checked heap, which tells where blocks start, and how long they are.

use super::bits::{Bits, WORD};
use crate::config::Config;
use crate::granule::min_linked;

/// What the bits say of a granule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing: it is within a chunk, or the first of the arena's own one.
    Nothing,
    /// It is the first or the last one of a free chunk.
    Free,
    /// It is the first one of an allocated block.
    Used,
    /// It is the first one of a block in a quick list.
    Cached,
}

/// The bits of as many granules as a word has bits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pair {
    boundaries: usize,
    blocks: usize,
}

impl Pair {
    const EMPTY: Self = Self { boundaries: 0, blocks: 0 };

    /// What stands for as many granules of one block.
    #[inline(always)]
    fn of_len(len: usize) -> Self {
        Self { boundaries: len, blocks: usize::MAX }
    }

    /// Whether it stands for granules of one block.
    #[inline(always)]
    fn is_len<C: Config>(self) -> bool {
        keeps_len::<C>() && self.blocks == usize::MAX
    }

    /// A bit for each granule that has any mark.
    #[inline(always)]
    fn marks<C: Config>(self) -> usize {
        if self.is_len::<C>() { 0 } else { self.boundaries | self.blocks }
    }
}

/// Whether the length of a long block is kept in its bits.
///
/// If blocks may have a single granule, all bits set does not mean that. But then indices are of 16
/// bits, and no block is so long that looking for its end takes long.
const fn keeps_len<C: Config>() -> bool {
    min_linked::<C::Index>() > 1
}

/// The word after that of granule `at`, if all its granules are of the block of `len` granules
/// there.
#[inline(always)]
fn inner_word<C: Config>(at: usize, len: usize) -> Option<usize> {
    let word = at / WORD + 1;
    (keeps_len::<C>() && at + len >= (word + 1) * WORD).then_some(word)
}

/// All these need a checked heap, granules that the bitmap covers, and words up to that of the end
/// of the block concerned that have been cleared before.
#[allow(clippy::missing_safety_doc, reason = "it is the same for all")]
impl<C: Config> Bits<C> {
    #[inline(always)]
    unsafe fn pair(self, word: usize) -> Pair {
        let words = self.word(word);
        // SAFETY: The words lie in the bitmap and are initialised.
        unsafe { Pair { boundaries: words.read(), blocks: words.add(1).read() } }
    }

    #[inline(always)]
    unsafe fn set_pair(self, word: usize, pair: Pair) {
        let words = self.word(word);
        // SAFETY: The words lie in the bitmap.
        unsafe {
            words.write(pair.boundaries);
            words.add(1).write(pair.blocks);
        }
    }

    /// What the bits say of granule `at`.
    pub(super) unsafe fn mark(self, at: usize) -> Mark {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let pair = unsafe { self.pair(at / WORD) };
        if pair.is_len::<C>() {
            return Mark::Nothing;
        }
        let is_set = |bits: usize| bits >> (at % WORD) & 1 != 0;
        match (is_set(pair.boundaries), is_set(pair.blocks)) {
            (false, false) => Mark::Nothing,
            (true, false) => Mark::Free,
            (false, true) => Mark::Used,
            (true, true) => Mark::Cached,
        }
    }

    /// Marks granule `at`, which has no mark, as the first one of a used block of `len` granules.
    #[inline(always)]
    pub(super) unsafe fn mark_used(self, at: usize, len: usize) {
        // SAFETY: The bitmap covers the granule, whose word has been cleared (I1).
        debug_assert_eq!(unsafe { self.mark(at) }, Mark::Nothing, "I11: a block has one mark");
        // SAFETY: The words lie in the bitmap and are initialised.
        unsafe {
            *self.word(at / WORD).add(1) |= 1 << (at % WORD);
            self.set_len(at, len, Pair::of_len(len));
            debug_assert_eq!(self.mark(at), Mark::Used, "I11: a block has one mark");
        }
    }

    /// Takes away the marks of a block of `len` granules at granule `at`.
    #[inline(always)]
    pub(super) unsafe fn unmark(self, at: usize, len: usize) {
        // SAFETY: The words lie in the bitmap and are initialised.
        unsafe {
            debug_assert!(self.has_len(at, len), "I11: the marks tell the length");
            *self.word(at / WORD) &= !(1 << (at % WORD));
            *self.word(at / WORD).add(1) &= !(1 << (at % WORD));
            self.set_len(at, len, Pair::EMPTY);
            debug_assert_eq!(self.mark(at), Mark::Nothing, "I11: it is a block no longer");
        }
    }

    /// Changes the marks of a block of `old` granules at granule `at` to those of one of `new`.
    #[inline(always)]
    pub(super) unsafe fn change_len(self, at: usize, old: usize, new: usize) {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        unsafe {
            debug_assert!(self.has_len(at, old), "I11: the marks tell the length");
            self.set_len(at, old, Pair::EMPTY);
            self.set_len(at, new, Pair::of_len(new));
            debug_assert!(self.has_len(at, new), "I11: the marks tell the length");
        }
    }

    /// Whether the pair of words that tells the length of a block of `len` granules says so, if there is one. It is
    /// asserted before and after the marks change.
    unsafe fn has_len(self, at: usize, len: usize) -> bool {
        // SAFETY: All the word's granules are the block's, and so below the top, where words have been cleared (I1).
        inner_word::<C>(at, len).is_none_or(|word| unsafe { self.pair(word) } == Pair::of_len(len))
    }

    /// Sets the pair of words that tells the length of a block of `len` granules, if it has one.
    #[inline(always)]
    unsafe fn set_len(self, at: usize, len: usize, pair: Pair) {
        if let Some(word) = inner_word::<C>(at, len) {
            // SAFETY: All the word's granules are the block's.
            unsafe { self.set_pair(word, pair) }
        }
    }

    /// Whether a used block of `len` granules starts at granule `at`, and ends where a mark is. The
    /// bits of the word after that of `at` have been cleared before, too.
    ///
    /// Blocks that have as many granules as a word has bits, or more, are denied.
    #[inline(always)]
    pub(super) unsafe fn is_small_block(self, at: usize, len: usize) -> bool {
        let (word, shift) = (at / WORD, at % WORD);
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let [low, high] = unsafe { [self.pair(word), self.pair(word + 1)] };
        // The marks of as many granules from the block's first one on as a word has bits.
        let marks = low.marks::<C>() >> shift | high.marks::<C>() << 1 << (WORD - 1 - shift);
        let is_used = low.boundaries >> shift & 1 == 0;
        len < WORD && is_used && (marks ^ (1 | 1 << len)) << (WORD - 1 - len) == 0
    }

    /// Whether a used block of `len` granules starts at granule `at`, if that is one whose length is
    /// kept.
    #[inline(always)]
    pub(super) unsafe fn is_long_block(self, at: usize, len: usize) -> Option<bool> {
        let word = inner_word::<C>(at, len)?;
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let [first, inner] = unsafe { [self.pair(at / WORD), self.pair(word)] };
        let [boundaries, blocks] = [first.boundaries >> (at % WORD), first.blocks >> (at % WORD)];
        // If all of the first word's granules were of one block, the next one would not tell a
        // length.
        Some((boundaries, blocks) == (0, 1) && inner == Pair::of_len(len))
    }

    /// Where the block that starts at granule `at` ends, which is at `limit` at the latest.
    pub(super) unsafe fn block_end(self, at: usize, limit: usize) -> usize {
        let mut word = at / WORD;
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let first = unsafe { self.pair(word) }.marks::<C>();
        let mut marks = first & (usize::MAX << 1 << (at % WORD));
        while marks == 0 {
            word += 1;
            if word * WORD >= limit {
                return limit;
            }
            // SAFETY: As above.
            let pair = unsafe { self.pair(word) };
            if pair.is_len::<C>() {
                return limit.min(at + pair.boundaries);
            }
            marks = pair.marks::<C>();
        }
        limit.min(word * WORD + marks.trailing_zeros() as usize)
    }

    /// The last granule from `start` on, and up to `at`, that has a mark.
    ///
    /// Takes time in proportion to the words between.
    pub(super) unsafe fn last_mark(self, start: usize, at: usize) -> Option<usize> {
        let mut word = at / WORD;
        let unwanted = WORD - 1 - at % WORD;
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let mut marks = unsafe { self.pair(word) }.marks::<C>() << unwanted >> unwanted;
        while marks == 0 {
            if word * WORD <= start {
                return None;
            }
            word -= 1;
            // SAFETY: As above.
            marks = unsafe { self.pair(word) }.marks::<C>();
        }
        let found = word * WORD + marks.ilog2() as usize;
        (found >= start).then_some(found)
    }

    /// Whether no granule from `at` on, and below `end`, is marked as the first of a block.
    ///
    /// Takes time in proportion to the words between.
    pub(super) unsafe fn has_no_blocks(self, at: usize, end: usize) -> bool {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        unsafe { self.has_none(at, end, |pair| pair.blocks) }
    }

    /// Whether no granule from `at` on, and below `end`, has any mark.
    ///
    /// Takes time in proportion to the words between.
    pub(super) unsafe fn has_no_marks(self, at: usize, end: usize) -> bool {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        unsafe { self.has_none(at, end, Pair::marks::<C>) }
    }

    /// Whether no granule from `at` on, and below `end`, has one of these bits.
    unsafe fn has_none(self, at: usize, end: usize, bits: impl Fn(Pair) -> usize) -> bool {
        (at / WORD..end.div_ceil(WORD)).all(|word| {
            let (low, high) = (at.saturating_sub(word * WORD), (end - word * WORD).min(WORD));
            let wanted = usize::MAX >> (WORD - high) >> low << low;
            // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
            bits(unsafe { self.pair(word) }) & wanted == 0
        })
    }
}
