//! Canaries: bytes behind a block that nobody may change.
//!
//! ```text
//!  | block, as requested | slack | tail |
//!                        ^ up to 16 bytes are written and checked
//! ```
//!
//! The slack is what a block has beyond the requested size. The tail is 8 bytes more, which each block has if the
//! measures say so. Both depend on the key, the block's address and its size. So a tail also finds a wrong size, and the
//! slack finds one that leaves some slack.

use core::ptr::NonNull;

use super::key::{LinkKey, SecretKey};
use super::measures::Measures;
use crate::granule::GRANULE;

/// How many bytes of the slack are written and checked. An overflow usually begins at the block's end.
const REACH: usize = 2 * GRANULE;

/// A word in which a byte is repeated, divided by the byte.
const REPEATED: u64 = u64::MAX / u8::MAX as u64;

/// The bytes of a tail.
pub(crate) const TAIL: usize = GRANULE;

/// The granules of the canary at the end of an arena's own chunk.
pub(crate) const OWN_CANARY: usize = 8;

/// The canary of one block.
pub(crate) struct Canary {
    block: NonNull<u8>,
    /// The requested size.
    size: usize,
    /// The bytes that may be written as slack.
    slack: core::ops::Range<usize>,
    /// Where the tail starts, if there is one.
    tail: Option<usize>,
    key: SecretKey,
}

impl Canary {
    /// The canary of a block of `size` bytes that takes `len` granules.
    #[inline(always)]
    pub(crate) fn new(
        measures: Measures,
        key: SecretKey,
        block: NonNull<u8>,
        size: usize,
        len: usize,
    ) -> Self {
        let end = len * GRANULE - if measures.tails { TAIL } else { 0 };
        debug_assert!(size <= end, "a block has as many bytes as requested");
        let slack = if measures.slack { size..end.min(size + REACH) } else { size..size };
        Self { block, size, slack, tail: measures.tails.then_some(end), key }
    }

    /// The byte that the slack is filled with. It is not zero, because that is what is written most often.
    #[inline(always)]
    fn slack_byte(&self) -> u8 {
        let word = self.key.word(self.block.addr().get() + self.size);
        (word >> 56) as u8 | 1
    }

    /// The tail of a block with `slack` bytes before it.
    #[inline(always)]
    fn tail_word(&self, end: usize, slack: usize) -> u64 {
        self.key.word(!(self.block.addr().get() + end)) ^ slack as u64
    }

    /// Writes the canary.
    ///
    /// # Safety
    ///
    /// The block has as many granules as [`new`](Self::new) was told, and its owner knows only the requested bytes.
    #[inline(always)]
    pub(crate) unsafe fn write(&self) {
        if !self.slack.is_empty() {
            // SAFETY: The caller's block has as many bytes.
            unsafe { self.write_slack() };
        }
        if let Some(end) = self.tail {
            let word = self.tail_word(end, end - self.size);
            // SAFETY: The block has eight bytes behind its end, on a granule.
            unsafe { self.block.add(end).cast::<u64>().write(word) };
        }
    }

    /// Whether the canary is as it was written.
    ///
    /// # Safety
    ///
    /// It was written.
    #[inline(always)]
    pub(crate) unsafe fn is_intact(&self) -> bool {
        let mut changed = 0;
        if !self.slack.is_empty() {
            // SAFETY: The slack was written.
            changed |= unsafe { self.slack_changes() };
        }
        if let Some(end) = self.tail {
            // SAFETY: As above.
            let word = unsafe { self.block.add(end).cast::<u64>().read() };
            changed |= word ^ self.tail_word(end, end - self.size);
        }
        changed == 0
    }

    /// Writes the slack, which is not empty, in two pieces that may overlap.
    ///
    /// # Safety
    ///
    /// As for [`write`](Self::write).
    #[inline(always)]
    unsafe fn write_slack(&self) {
        let word = u64::from(self.slack_byte()) * REPEATED;
        // SAFETY: Both pieces are within the slack.
        unsafe {
            match self.slack.len() {
                0 | 1 => self.write_ends(word as u8),
                2 | 3 => self.write_ends(word as u16),
                4..8 => self.write_ends(word as u32),
                _ => self.write_ends(word),
            }
        }
    }

    /// A word that is zero if the slack, which is not empty, is as it was written.
    ///
    /// # Safety
    ///
    /// It was written.
    #[inline(always)]
    unsafe fn slack_changes(&self) -> u64 {
        let word = u64::from(self.slack_byte()) * REPEATED;
        // SAFETY: Both pieces are within the slack, which was written.
        unsafe {
            match self.slack.len() {
                0 | 1 => self.changes_at_ends(word as u8),
                2 | 3 => self.changes_at_ends(word as u16),
                4..8 => self.changes_at_ends(word as u32),
                _ => self.changes_at_ends(word),
            }
        }
    }

    /// Writes a piece to both ends of the slack.
    ///
    /// # Safety
    ///
    /// As for [`write`](Self::write), and the slack is as long as the piece.
    #[inline(always)]
    unsafe fn write_ends<T: Copy>(&self, piece: T) {
        for place in self.ends::<T>() {
            // SAFETY: The place is within the block.
            unsafe { place.write_unaligned(piece) };
        }
    }

    /// A word that is zero if both ends of the slack are equal to a piece.
    ///
    /// # Safety
    ///
    /// As for [`slack_changes`](Self::slack_changes), and the slack is as long as the piece.
    #[inline(always)]
    unsafe fn changes_at_ends<T: Copy + Into<u64>>(&self, piece: T) -> u64 {
        // SAFETY: Both places are within the block, and were written.
        let [first, last] = self.ends::<T>().map(|place| unsafe { place.read_unaligned() }.into());
        (first ^ piece.into()) | (last ^ piece.into())
    }

    /// Where a piece starts at either end of the slack.
    #[inline(always)]
    fn ends<T>(&self) -> [*mut T; 2] {
        let place = |at| self.block.as_ptr().wrapping_add(at).cast();
        [place(self.slack.start), place(self.slack.end - size_of::<T>())]
    }

    /// Whether the granule at `tail` may hold a tail. The start of the block is not known, so its size is not compared.
    ///
    /// # Safety
    ///
    /// It is the last granule of a block, whose canary was written.
    pub(crate) unsafe fn is_tail(key: SecretKey, tail: NonNull<u8>) -> bool {
        // SAFETY: The granule lies in the heap's memory.
        let word = unsafe { tail.cast::<u64>().read() };
        (word ^ key.word(!tail.addr().get())) >> u32::BITS == 0
    }

    /// The requested size of a block of `len` granules that has a tail. `None` if the tail was changed.
    ///
    /// # Safety
    ///
    /// The block is allocated, and its canary was written.
    pub(crate) unsafe fn size_of(key: SecretKey, block: NonNull<u8>, len: usize) -> Option<usize> {
        let end = len * GRANULE - TAIL;
        // SAFETY: The block has a tail on its last granule.
        let word = unsafe { block.add(end).cast::<u64>().read() };
        let slack = word ^ key.word(!(block.addr().get() + end));
        let slack = usize::try_from(slack).ok()?;
        end.checked_sub(slack)
    }
}
