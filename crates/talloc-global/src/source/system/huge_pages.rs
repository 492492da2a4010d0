//! Huge pages for large heaps.
//!
//! A page fault costs a few microseconds, and one huge page takes the place of 512 of them. It also takes the place of
//! 512 entries in the processor's table of translations. In return, the part of it that the heap has not reached is
//! resident, too. So a heap asks for huge pages once it is [`SHARE`] times as large as one, for what it grows by from
//! then on.
//!
//! When a heap begins to give memory back, it wants no more of them where it has been: Linux would put pages that have
//! been given back together again. Pages that are given back of a huge page no longer count as resident; Linux uses
//! their memory elsewhere once it is short.

use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

use talloc_sync::{Align, Span};

use super::space;

/// The size of a huge page on x86, and on Arm with pages of 4 KiB.
const HUGE: Align = Align::new(2 << 20).unwrap();

/// A heap that is so many times as large grows by huge pages: what is resident and not reached is at most an eighth of
/// it. `cargo xtask bench hosted` shows the time that they save, and the memory.
const SHARE: usize = 8;

static ARE_ALLOWED: AtomicBool = AtomicBool::new(true);

/// Sets whether heaps ask for huge pages from now on.
pub(super) fn allow(are_allowed: bool) {
    ARE_ALLOWED.store(are_allowed, Relaxed);
}

/// Parses `never`. Ignores any other text.
#[cfg(feature = "std")]
pub(super) fn read(value: &[u8]) {
    if value == b"never" {
        allow(false);
    }
}

/// The addresses for which a source has asked for huge pages.
#[derive(Debug)]
pub(super) struct HugePages {
    advised: Span,
}

impl HugePages {
    pub(super) const fn new() -> Self {
        Self { advised: Span::empty() }
    }

    /// Asks for huge pages in what an arena has grown by at its end.
    pub(super) fn want(&mut self, piece: Span) {
        let piece = piece.align_inward(HUGE);
        if piece.is_sized() {
            space::want_huge_pages(piece, true);
            self.advised = self.advised.fit_over(piece);
        }
    }

    /// Wants no more huge pages in these addresses: some of their memory goes back, or the arena grows no more.
    pub(super) fn end(&mut self) {
        if self.advised.is_sized() {
            space::want_huge_pages(self.advised, false);
            *self = Self::new();
        }
    }
}

/// Whether a heap grows by huge pages that has used so many bytes of its arenas.
pub(super) fn are_for(bytes: usize) -> bool {
    bytes >= SHARE * HUGE.get() && ARE_ALLOWED.load(Relaxed)
}

/// By how many bytes an arena that ends there grows instead of `bytes`, to end with a whole huge page.
pub(super) fn rounded(end: Option<usize>, bytes: usize) -> usize {
    let padding = end.and_then(|end| end.checked_add(bytes)).map(|end| HUGE.padding(end));
    bytes.saturating_add(padding.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn an_arena_ends_with_a_whole_page() {
        for end in [512 * MIB, 512 * MIB + 5 * 4096, 514 * MIB - 4096] {
            for bytes in [4096, 65_536, 2 * MIB, 5 * MIB + 4096] {
                let more = rounded(Some(end), bytes);
                assert!(HUGE.is_aligned(end + more) && more >= bytes && more < bytes + HUGE.get());
            }
        }
    }

    #[test]
    fn where_nothing_follows_nothing_is_added() {
        assert_eq!(rounded(Some(usize::MAX - MIB), 2 * MIB), 2 * MIB);
        assert_eq!(rounded(None, MIB), MIB);
    }

    #[test]
    fn small_heaps_have_none() {
        assert!(!are_for(0) && !are_for(16 * MIB - 1) && are_for(16 * MIB));
    }
}
