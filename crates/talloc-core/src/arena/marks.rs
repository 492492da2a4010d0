//! The second bit for each granule of a checked heap, which tells where blocks start and how long they are.

use super::bits::{Bits, WORD};
use crate::config::Config;
use crate::granule::min_linked;

/// What the two bits of a granule say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing. The granule lies within a chunk, or is the first one of the arena's own chunk.
    Nothing,
    /// The granule is the first or the last one of a free chunk.
    Free,
    /// The granule is the first one of an allocated block.
    Used,
    /// The granule is the first one of a cached block.
    Cached,
}

/// The bits of one word's worth of granules.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pair {
    boundaries: usize,
    blocks: usize,
}

impl Pair {
    const EMPTY: Self = Self { boundaries: 0, blocks: 0 };

    /// The pair that stores the length of a block to which all its granules belong.
    #[inline(always)]
    fn of_len(len: usize) -> Self {
        Self { boundaries: len, blocks: usize::MAX }
    }

    /// Whether the pair stores a block's length.
    #[inline(always)]
    fn is_len<C: Config>(self) -> bool {
        keeps_len::<C>() && self.blocks == usize::MAX
    }

    /// A word with a bit for each granule that has any mark.
    #[inline(always)]
    fn marks<C: Config>(self) -> usize {
        if self.is_len::<C>() { 0 } else { self.boundaries | self.blocks }
    }
}

/// Whether a pair of words stores the length of a long block.
///
/// If blocks may have a single granule, a word with all bits set may be marks. But then indices have 16 bits, and
/// blocks are so short that their end is found quickly.
const fn keeps_len<C: Config>() -> bool {
    min_linked::<C::Index>() > 1
}

/// The word after that of granule `at`, if all its granules belong to the block of `len` granules at `at`.
#[inline(always)]
fn inner_word<C: Config>(at: usize, len: usize) -> Option<usize> {
    let word = at / WORD + 1;
    (keeps_len::<C>() && at + len >= (word + 1) * WORD).then_some(word)
}

/// The safety conditions are the same for all of them. The heap is checked, the bitmap covers the granules, and the
/// words up to that of the block's end have been cleared before (I1).
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

    /// The mark of granule `at`.
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

    /// Marks granule `at`, which has no mark, as the first one of an allocated block of `len` granules.
    #[inline(always)]
    pub(super) unsafe fn mark_used(self, at: usize, len: usize) {
        // SAFETY: The bitmap covers the granule, whose word has been cleared (I1).
        debug_assert_eq!(unsafe { self.mark(at) }, Mark::Nothing, "I11: a block has one mark");
        // SAFETY: The words lie in the bitmap and are initialised.
        unsafe {
            *self.word(at / WORD).add(1) |= 1 << (at % WORD);
            self.set_len(at, len, Pair::of_len(len));
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

    /// Sets the pair of words that stores the length of a block of `len` granules, if there is one.
    #[inline(always)]
    unsafe fn set_len(self, at: usize, len: usize, pair: Pair) {
        if let Some(word) = inner_word::<C>(at, len) {
            // SAFETY: All the word's granules are the block's.
            unsafe { self.set_pair(word, pair) }
        }
    }

    /// Whether an allocated block of `len` granules starts at granule `at`, and a mark follows it. Returns false for
    /// blocks of [`WORD`] granules or more. The word after that of `at` has been cleared, too.
    #[inline(always)]
    pub(super) unsafe fn is_small_block(self, at: usize, len: usize) -> bool {
        let shift = at % WORD;
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let (first, marks) = unsafe { self.marks_from(at) };
        let is_used = first.boundaries >> shift & 1 == 0;
        len < WORD && is_used && (marks ^ (1 | 1 << len)) << (WORD - 1 - len) == 0
    }

    /// How many granules the cached block that starts at granule `at` has. `None` if there is none, or it has [`WORD`]
    /// granules or more. The word after that of `at` has been cleared, too.
    #[inline(always)]
    pub(super) unsafe fn small_cached_len(self, at: usize) -> Option<usize> {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let (first, marks) = unsafe { self.marks_from(at) };
        let is_cached = (first.boundaries & first.blocks) >> (at % WORD) & marks & 1 != 0;
        let others = marks & !1;
        (is_cached && others != 0).then_some(others.trailing_zeros() as usize)
    }

    /// The pair of granule `at`, and a word with a bit for each of the granules from `at` on that has any mark. The
    /// word after that of `at` has been cleared, too.
    #[inline(always)]
    unsafe fn marks_from(self, at: usize) -> (Pair, usize) {
        let (word, shift) = (at / WORD, at % WORD);
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let [low, high] = unsafe { [self.pair(word), self.pair(word + 1)] };
        (low, low.marks::<C>() >> shift | high.marks::<C>() << 1 << (WORD - 1 - shift))
    }

    /// Whether an allocated block of `len` granules starts at granule `at`. `None` if no pair of words would store the
    /// length of such a block.
    #[inline(always)]
    pub(super) unsafe fn is_long_block(self, at: usize, len: usize) -> Option<bool> {
        let word = inner_word::<C>(at, len)?;
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        let [first, inner] = unsafe { [self.pair(at / WORD), self.pair(word)] };
        let [boundaries, blocks] = [first.boundaries >> (at % WORD), first.blocks >> (at % WORD)];
        // If the first pair stored a length, the second one would not.
        Some((boundaries, blocks) == (0, 1) && inner == Pair::of_len(len))
    }

    /// Where the block that starts at granule `at` ends. The end is `limit` at the latest.
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
                // If the word was overwritten, the length is any.
                return limit.min(at.saturating_add(pair.boundaries)).max(at + 1);
            }
            marks = pair.marks::<C>();
        }
        limit.min(word * WORD + marks.trailing_zeros() as usize)
    }

    /// The first granule above `at` that is marked as the first one of a block. It is `limit` at the latest.
    ///
    /// Takes time in proportion to the words that it reads.
    pub(super) unsafe fn next_block(self, at: usize, limit: usize) -> usize {
        let first = (at + 1) / WORD;
        let found = (first..limit.div_ceil(WORD)).find_map(|word| {
            // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
            let pair = unsafe { self.pair(word) };
            let above = if word == first { usize::MAX << ((at + 1) % WORD) } else { usize::MAX };
            let blocks = if pair.is_len::<C>() { 0 } else { pair.blocks & above };
            (blocks != 0).then(|| word * WORD + blocks.trailing_zeros() as usize)
        });
        found.map_or(limit, |found| found.min(limit))
    }

    /// The last granule in `start..=at` that has a mark.
    ///
    /// Takes time in proportion to the words that it reads.
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

    /// Whether no granule in `at..end` is marked as the first of a block.
    ///
    /// Takes time in proportion to the words that it reads.
    pub(super) unsafe fn has_no_blocks(self, at: usize, end: usize) -> bool {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        unsafe { self.has_none(at, end, |pair| pair.blocks) }
    }

    /// Whether no granule in `at..end` has any mark.
    ///
    /// Takes time in proportion to the words that it reads.
    pub(super) unsafe fn has_no_marks(self, at: usize, end: usize) -> bool {
        // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
        unsafe { self.has_none(at, end, Pair::marks::<C>) }
    }

    /// Whether no granule in `at..end` has a bit in the words that `bits` returns.
    unsafe fn has_none(self, at: usize, end: usize, bits: impl Fn(Pair) -> usize) -> bool {
        (at / WORD..end.div_ceil(WORD)).all(|word| {
            let (low, high) = (at.saturating_sub(word * WORD), (end - word * WORD).min(WORD));
            let wanted = usize::MAX >> (WORD - high) >> low << low;
            // SAFETY: The bitmap covers the granules, whose words have been cleared (I1).
            bits(unsafe { self.pair(word) }) & wanted == 0
        })
    }
}
