//! The bits on either side of a boundary.
//!
//! Granules that are neighbours have bits that are neighbours. So one access to two bytes that start
//! anywhere sees both, where two accesses to one byte each would be needed.

use core::ptr;

use super::{GRANULE, SPAN};

/// The bits on either side of a boundary, as they were read.
pub(in super::super) struct Edges {
    /// Where the two bytes are.
    at: usize,
    bits: u16,
    /// A mask of the bit of the granule below; that of the one above is the next.
    below: u16,
}

impl Edges {
    /// Reads the bits on either side of a boundary between granules.
    ///
    /// # Safety
    ///
    /// The bitmap at `bits` covers both granules and has a byte to spare at its end. It is not changed
    /// otherwise before one of the other methods does it.
    #[inline(always)]
    pub(in super::super) unsafe fn read(bits: usize, boundary: usize) -> Self {
        let granule = boundary - GRANULE;
        let at = bits.wrapping_add(granule / SPAN);
        // SAFETY: The bitmap covers both granules and has a byte to spare, so that the two bytes lie in it.
        let bits = unsafe { ptr::with_exposed_provenance::<u16>(at).read_unaligned() };
        Self { at, bits: u16::from_le(bits), below: 1 << (granule / GRANULE % 8) }
    }

    #[inline(always)]
    pub(in super::super) fn is_free_below(&self) -> bool {
        self.bits & self.below != 0
    }

    #[inline(always)]
    pub(in super::super) fn is_free_above(&self) -> bool {
        self.bits & self.below << 1 != 0
    }

    #[inline(always)]
    pub(in super::super) unsafe fn set_above(self) {
        // SAFETY: By the contract of `read`.
        unsafe { self.write(self.bits | self.below << 1) }
    }

    #[inline(always)]
    pub(in super::super) unsafe fn set_below(self) {
        // SAFETY: By the contract of `read`.
        unsafe { self.write(self.bits | self.below) }
    }

    #[inline(always)]
    pub(in super::super) unsafe fn clear_above(self) {
        // SAFETY: By the contract of `read`.
        unsafe { self.write(self.bits & !(self.below << 1)) }
    }

    #[inline(always)]
    pub(in super::super) unsafe fn clear_below(self) {
        // SAFETY: By the contract of `read`.
        unsafe { self.write(self.bits & !self.below) }
    }

    #[inline(always)]
    unsafe fn write(&self, bits: u16) {
        let at = ptr::with_exposed_provenance_mut::<u16>(self.at);
        // SAFETY: The two bytes lie in the bitmap (L1).
        unsafe { at.write_unaligned(bits.to_le()) }
    }
}
