//! Canaries: bytes behind a block that nobody may change.
//!
//! ```text
//!  | block, as requested | slack | tail |
//!                        ^ up to 16 bytes are written and checked
//! ```
//!
//! The slack is what a block has beyond the requested size. The tail is 8 bytes more, which each block has if the
//! measures say so. Both depend on the key, the block's address and its size, and so a wrong size is also found.

use core::ptr::NonNull;

use super::key::{LinkKey, SecretKey};
use super::measures::Measures;
use crate::granule::GRANULE;

/// How many bytes of the slack are written and checked. An overflow usually begins at the block's end.
const REACH: usize = 2 * GRANULE;

/// The bytes of a tail.
pub(crate) const TAIL: usize = GRANULE;

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

    /// The bytes of the slack, repeated. The key is mixed with the size, because both ends of a range are then known.
    #[inline(always)]
    fn slack_word(&self) -> u64 {
        self.key.word(self.block.addr().get() + self.size)
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
        let bytes = self.slack_word().to_ne_bytes();
        for at in self.slack.clone() {
            // SAFETY: It is within the block.
            unsafe { self.block.add(at).write(bytes[at % 8]) };
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
        let bytes = self.slack_word().to_ne_bytes();
        let mut changed = 0;
        for at in self.slack.clone() {
            // SAFETY: It is within the block, and was written.
            changed |= unsafe { self.block.add(at).read() } ^ bytes[at % 8];
        }
        if let Some(end) = self.tail {
            // SAFETY: As above.
            let word = unsafe { self.block.add(end).cast::<u64>().read() };
            changed |= u8::from(word != self.tail_word(end, end - self.size));
        }
        changed == 0
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
