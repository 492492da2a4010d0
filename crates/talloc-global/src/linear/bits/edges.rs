//! The bits on both sides of a boundary.
//!
//! The bits of adjacent granules are adjacent. One unaligned access to two bytes therefore reads both bits, instead of
//! two accesses to one byte each.

use core::ptr;

use super::{GRANULE, SPAN};

/// The bits on both sides of a boundary, as they were read.
pub(in super::super) struct Edges {
    /// The address of the two bytes.
    at: usize,
    bits: u16,
    /// The mask of the bit for the granule below. The next higher bit is for the granule above.
    below: u16,
}

impl Edges {
    /// Reads the bits on both sides of a boundary between granules.
    ///
    /// # Safety
    ///
    /// The bitmap at `bits` covers both granules and has a spare byte at its end. Nothing else writes to it before the
    /// last call of another method of this type.
    #[inline(always)]
    pub(in super::super) unsafe fn read(bits: usize, boundary: usize) -> Self {
        let granule = boundary - GRANULE;
        let at = bits.wrapping_add(granule / SPAN);
        // SAFETY: The bitmap covers both granules and has a spare byte, so both bytes lie in it.
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
