//! The bits on both sides of a boundary, accessed one at a time, which needs less code.

use super::{GRANULE, clear, get, set};

/// The bits on both sides of a boundary.
#[derive(Clone, Copy)]
pub(in super::super) struct Edges {
    bits: usize,
    boundary: usize,
}

/// The methods do the same as those of `edges.rs`.
#[allow(clippy::missing_safety_doc, reason = "it is the same for all: the contract of `read`")]
impl Edges {
    /// Refers to the bits on both sides of a boundary between granules.
    ///
    /// # Safety
    ///
    /// The bitmap at `bits` covers both granules.
    pub(in super::super) unsafe fn read(bits: usize, boundary: usize) -> Self {
        Self { bits, boundary }
    }

    pub(in super::super) fn is_free_below(&self) -> bool {
        // SAFETY: By the contract of `read`.
        unsafe { get(self.bits, self.boundary - GRANULE) }
    }

    pub(in super::super) fn is_free_above(&self) -> bool {
        // SAFETY: By the contract of `read`.
        unsafe { get(self.bits, self.boundary) }
    }

    pub(in super::super) unsafe fn set_above(self) {
        // SAFETY: By the contract of `read`.
        unsafe { set(self.bits, self.boundary) }
    }

    pub(in super::super) unsafe fn set_below(self) {
        // SAFETY: By the contract of `read`.
        unsafe { set(self.bits, self.boundary - GRANULE) }
    }

    pub(in super::super) unsafe fn clear_above(self) {
        // SAFETY: By the contract of `read`.
        unsafe { clear(self.bits, self.boundary) }
    }

    pub(in super::super) unsafe fn clear_below(self) {
        // SAFETY: By the contract of `read`.
        unsafe { clear(self.bits, self.boundary - GRANULE) }
    }
}
