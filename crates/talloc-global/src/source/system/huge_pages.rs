//! Huge pages for large heaps.
//!
//! A huge page replaces 512 pages, and so saves 511 page faults of up to a few microseconds each. It takes one entry of
//! the processor's translation buffer instead of 512. In return, the part of the last huge page that the heap has not
//! reached is resident, too. Therefore a heap asks for huge pages only when it has become [`SHARE`] times as large as
//! one, and only for the memory that it grows by from then on.
//!
//! Once a heap has given memory back, it asks Linux to use no more huge pages where it has been. Otherwise, Linux could
//! make huge pages of the holes, and the memory would be resident again. If a part of a huge page is given back, that
//! part no longer counts as resident, but Linux uses its memory elsewhere only when it is short of memory.
//!
//! A request for huge pages is only a hint. If Linux refuses it, the heap has small pages.

use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

use talloc_sync::{Align, Span};

use super::space;

/// The size of a huge page on x86-64, and on Arm with pages of 4 KiB. Where huge pages are larger, the hint has no effect.
const HUGE: Align = Align::new(2 << 20).unwrap();

/// A heap that has used this many times the size of a huge page grows by huge pages. The part of the last one that it
/// has not reached is then at most a quarter of the heap. `cargo xtask bench hosted` shows the time that this saves, cold and
/// aged, and the memory that it costs: with a larger share, both are less.
const SHARE: usize = 4;

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

/// The addresses for which a source has asked for huge pages. They lie in the arena that grows.
#[derive(Debug)]
pub(super) struct HugePages {
    advised: Span,
}

impl HugePages {
    pub(super) const fn new() -> Self {
        Self { advised: Span::empty() }
    }

    /// Asks for huge pages in a piece by which the arena has grown at its end.
    pub(super) fn want(&mut self, piece: Span) {
        let piece = piece.align_inward(HUGE);
        if piece.is_sized() {
            space::want_huge_pages(piece, true);
            self.advised = self.advised.fit_over(piece);
        }
    }

    /// Asks for no more huge pages at these addresses, because some of the memory goes back, or the arena no longer grows.
    pub(super) fn end(&mut self) {
        if self.advised.is_sized() {
            space::want_huge_pages(self.advised, false);
            *self = Self::new();
        }
    }
}

/// Whether a heap grows by huge pages when it has used `bytes` of its arenas.
pub(super) fn are_for(bytes: usize) -> bool {
    bytes >= SHARE * HUGE.get() && ARE_ALLOWED.load(Relaxed)
}

/// Returns how many bytes an arena that ends at `end` must grow by, instead of `bytes`, so as to end with a whole huge
/// page. If the address space ends before, returns `bytes`.
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
        assert!(!are_for(0) && !are_for(8 * MIB - 1) && are_for(8 * MIB));
    }
}
