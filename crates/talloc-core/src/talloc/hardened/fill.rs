//! Filling freed blocks, and noticing who writes to them.

use core::ptr::NonNull;

use talloc_span::Span;

use crate::config::{Config, Level};
use crate::granule::GRANULE;
use crate::misuse::{Call, Fault};
use crate::talloc::Talloc;

/// Up to so many bytes are filled without a call.
const INLINE: usize = 256;

/// The bytes of a freed block that hold its link, and are not filled.
const LINK: usize = size_of::<*mut u8>();

impl<C: Config, S> Talloc<C, S> {
    /// How many bytes of a freed block are filled.
    #[inline(always)]
    fn filled(len: usize) -> core::ops::Range<usize> {
        LINK..(len * GRANULE).min(C::MEASURES.fill / LINK * LINK)
    }

    /// Fills a freed block.
    ///
    /// # Safety
    ///
    /// It has `len` granules, nobody uses it, and the pointer is valid for all of it.
    #[inline(always)]
    pub(in crate::talloc) unsafe fn fill(block: NonNull<u8>, len: usize) {
        let range = Self::filled(len);
        let words = usize::from_ne_bytes([C::MEASURES.filler; LINK]);
        if C::MEASURES.fill > INLINE {
            if range.start < range.end {
                // SAFETY: The bytes are the block's.
                unsafe { block.add(range.start).write_bytes(C::MEASURES.filler, range.len()) };
            }
            return;
        }
        for at in range.step_by(LINK) {
            // SAFETY: Both ends are multiples of a word, and the word is the block's.
            unsafe { block.add(at).cast::<usize>().write(words) };
        }
    }

    /// Whether a freed block is as it was filled. If it is not, a misuse is noted.
    #[inline(always)]
    pub(in crate::talloc) fn expect_filled(&mut self, block: NonNull<u8>, len: usize) -> bool {
        // SAFETY: The block is cached, so it was filled.
        let is_filled = C::MEASURES.fill == 0 || unsafe { Self::is_filled(block, len) };
        if !is_filled {
            self.note_written(block, len);
        }
        is_filled
    }

    /// Whether a freed block is as it was filled.
    ///
    /// # Safety
    ///
    /// It was.
    #[inline(always)]
    unsafe fn is_filled(block: NonNull<u8>, len: usize) -> bool {
        let range = Self::filled(len);
        let words = usize::from_ne_bytes([C::MEASURES.filler; LINK]);
        let mut changed = 0;
        for at in range.step_by(LINK) {
            // SAFETY: Both ends are multiples of a word. The word is the block's, and was filled.
            changed |= unsafe { block.add(at).cast::<usize>().read() } ^ words;
        }
        changed == 0
    }

    #[cold]
    #[inline(never)]
    fn note_written(&mut self, block: NonNull<u8>, len: usize) {
        let span = Span::from_ptr_size(block.as_ptr(), len * GRANULE);
        self.note_about(Call::Use, block, len, Fault::WrittenAfterFree { block: span });
    }
}
