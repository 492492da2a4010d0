//! The boundary bits.

#[cfg_attr(small, path = "bits/edges_small.rs")]
mod edges;

use edges::Edges;

use super::Linear;
use super::memory::{GRANULE, load_byte, store_byte};

/// The bytes of memory that a byte of the bitmap covers.
pub(super) const SPAN: usize = 8 * GRANULE;

/// # Safety
///
/// For all methods: the bitmap covers the address.
#[allow(clippy::missing_safety_doc, reason = "it is the same for all")]
impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    /// Reads the bits on both sides of a boundary between granules. The result may be used to change one of these bits,
    /// provided that the bitmap is not written to before.
    #[inline(always)]
    pub(super) unsafe fn edges(&self, boundary: usize) -> Edges {
        // SAFETY: The bitmap covers the granules on either side, and has a byte to spare at its end (L1).
        unsafe { Edges::read(self.bits, boundary) }
    }

    /// Whether a granule is the first or the last one of a free chunk.
    #[inline(always)]
    pub(super) unsafe fn is_edge(&self, addr: usize) -> bool {
        // SAFETY: The bitmap covers the address, by the contract of these methods.
        unsafe { get(self.bits, addr) }
    }

    #[inline(always)]
    pub(super) unsafe fn set_edge(&mut self, addr: usize) {
        // SAFETY: The bitmap covers the address, by the contract of these methods.
        unsafe { set(self.bits, addr) }
    }

    #[inline(always)]
    pub(super) unsafe fn clear_edge(&mut self, addr: usize) {
        // SAFETY: The bitmap covers the address, by the contract of these methods.
        unsafe { clear(self.bits, addr) }
    }
}

/// Returns the bit of a granule in the bitmap at `bits`.
#[cfg_attr(small, inline(never))]
#[cfg_attr(not(small), inline(always))]
unsafe fn get(bits: usize, addr: usize) -> bool {
    // SAFETY: The byte lies in the bitmap, by the contract of the methods above.
    unsafe { load_byte(bits.wrapping_add(addr / SPAN)) & mask(addr) != 0 }
}

/// Sets the bit of a granule in the bitmap at `bits`.
#[cfg_attr(small, inline(never))]
#[cfg_attr(not(small), inline(always))]
unsafe fn set(bits: usize, addr: usize) {
    let at = bits.wrapping_add(addr / SPAN);
    // SAFETY: The byte lies in the bitmap, by the contract of the methods above.
    unsafe { store_byte(at, load_byte(at) | mask(addr)) }
}

/// Clears the bit of a granule in the bitmap at `bits`.
#[cfg_attr(small, inline(never))]
#[cfg_attr(not(small), inline(always))]
unsafe fn clear(bits: usize, addr: usize) {
    let at = bits.wrapping_add(addr / SPAN);
    // SAFETY: The byte lies in the bitmap, by the contract of the methods above.
    unsafe { store_byte(at, load_byte(at) & !mask(addr)) }
}

/// The mask of a granule's bit in its byte.
#[inline(always)]
fn mask(addr: usize) -> u8 {
    1 << (addr / GRANULE % 8)
}
