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

/// A word in which a byte is repeated, divided by the byte.
const REPEATED: u64 = u64::MAX / u8::MAX as u64;

/// Two pieces of 1, 2, 4 or 8 bytes that cover a range of up to 16 bytes. They may overlap.
#[inline(always)]
fn pieces(range: &core::ops::Range<usize>) -> impl Iterator<Item = (usize, usize)> + use<> {
    let width = match range.len() {
        0 | 1 => 1,
        2 | 3 => 2,
        4..8 => 4,
        _ => 8,
    };
    let pieces = [(range.start, width), (range.end.wrapping_sub(width), width)];
    pieces.into_iter().take(if range.is_empty() { 0 } else { 2 })
}

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
        let word = u64::from(self.slack_byte()) * REPEATED;
        for (at, width) in pieces(&self.slack) {
            // SAFETY: The piece is within the block.
            unsafe {
                let place = self.block.add(at);
                match width {
                    8 => place.cast::<u64>().write_unaligned(word),
                    4 => place.cast::<u32>().write_unaligned(word as u32),
                    2 => place.cast::<u16>().write_unaligned(word as u16),
                    _ => place.write(word as u8),
                }
            }
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
        let word = u64::from(self.slack_byte()) * REPEATED;
        let mut changed = 0;
        for (at, width) in pieces(&self.slack) {
            // SAFETY: The piece is within the block, and was written.
            changed |= unsafe {
                let place = self.block.add(at);
                match width {
                    8 => place.cast::<u64>().read_unaligned() ^ word,
                    4 => u64::from(place.cast::<u32>().read_unaligned() ^ word as u32),
                    2 => u64::from(place.cast::<u16>().read_unaligned() ^ word as u16),
                    _ => u64::from(place.read() ^ word as u8),
                }
            };
        }
        if let Some(end) = self.tail {
            // SAFETY: As above.
            let word = unsafe { self.block.add(end).cast::<u64>().read() };
            changed |= word ^ self.tail_word(end, end - self.size);
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
