//! Cached sizes.

use core::alloc::Layout;

use talloc_core::Level;
use talloc_core::{Config, Talloc};

/// Bytes in a granule, the unit of sizes.
const GRANULE: usize = 8;

/// The number of classes. Sizes of fewer granules are cached.
pub(super) const CLASSES: usize = 65;

/// The approximate bytes of a full magazine.
const MAGAZINE_BYTES: usize = 1024;

/// The number of blocks of a full magazine, for each size.
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

/// A cached size.
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

    /// Returns the class of a block with that layout, if its size is cached.
    ///
    /// A checked heap must see every call, so none of its sizes is cached.
    #[inline(always)]
    pub(super) fn of<C: Config>(layout: Layout) -> Option<Self> {
        let least = const { Talloc::<C>::MIN_BLOCK / GRANULE };
        // In this order, the comparison is with a constant, and cannot wrap.
        let is_small = layout.size() < CLASSES * GRANULE - (GRANULE - 1);
        let len = (layout.size().wrapping_add(GRANULE - 1) / GRANULE).max(least);
        (!C::CHECKED && is_small).then_some(Self(len))
    }

    /// Returns the class, as [`of`](Self::of) does, if every block of that size has the alignment of the layout.
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
