//! Sizes that are cached.

use core::alloc::Layout;

use talloc_core::Level;
use talloc_core::{Config, Talloc};

/// Bytes in a granule, the unit of sizes.
const GRANULE: usize = 8;

/// Sizes that are cached are those of fewer granules.
pub(super) const CLASSES: usize = 65;

/// About how many bytes a full magazine holds.
const MAGAZINE_BYTES: usize = 1024;

/// The blocks of a full magazine, for each size.
const CAPACITIES: [u8; CLASSES] = {
    let mut capacities = [0; CLASSES];
    let mut len = 1;
    while len < CLASSES {
        let blocks = MAGAZINE_BYTES / (len * GRANULE);
        capacities[len] = if blocks < 2 {
            2
        } else if blocks > 64 {
            64
        } else {
            blocks as u8
        };
        len += 1;
    }
    capacities
};

/// A size of blocks that is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class(usize);

impl Class {
    /// Before every size.
    pub(super) const NONE: Self = Self(0);

    /// Every size.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (1..CLASSES).map(Self)
    }

    /// Every size, beginning after this one.
    pub(super) fn all_from(after: Self) -> impl Iterator<Item = Self> {
        (after.0 + 1..CLASSES).chain(1..=after.0).map(Self)
    }

    /// The size of a block of that layout, if it is cached.
    ///
    /// A checked heap must see every call, so that nothing is cached in front of it.
    #[inline(always)]
    pub(super) fn of<C: Config>(layout: Layout) -> Option<Self> {
        let least = const { Talloc::<C>::MIN_BLOCK / GRANULE };
        // In this order, the comparison is one with a constant, and nothing can wrap.
        let is_small = layout.size() < CLASSES * GRANULE - (GRANULE - 1);
        let len = (layout.size().wrapping_add(GRANULE - 1) / GRANULE).max(least);
        (!C::CHECKED && is_small).then_some(Self(len))
    }

    /// [`of`](Self::of), if any block of that size is aligned as the layout asks.
    #[inline(always)]
    pub(super) fn of_new<C: Config>(layout: Layout) -> Option<Self> {
        if layout.align() <= GRANULE { Self::of::<C>(layout) } else { None }
    }

    /// Its number, below [`CLASSES`].
    #[inline(always)]
    pub(super) const fn index(self) -> usize {
        self.0
    }

    /// The bytes of a block.
    #[inline(always)]
    pub(super) const fn bytes(self) -> usize {
        self.0 * GRANULE
    }

    /// The blocks of a full magazine.
    #[inline(always)]
    pub(super) const fn capacity(self) -> usize {
        CAPACITIES[self.0] as usize
    }

    /// Whether a block has room for two links.
    #[inline(always)]
    pub(super) const fn has_two_links(self) -> bool {
        self.0 >= 2
    }
}
