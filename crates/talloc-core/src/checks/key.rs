//! Encoding links and sizes that lie in free memory.
//!
//! A value is combined by exclusive or with a number that depends on the key and on where the value lies. So a value
//! that was written by accident, or copied from another place, is decoded to a random one.

use crate::granule::Index;

/// By what links and sizes in free memory are encoded.
#[doc(hidden)]
pub trait LinkKey: Copy + 'static {
    /// A key of zeros, which an arena without memory has.
    const ZERO: Self;

    /// A key made of random bits.
    fn new(bits: u64) -> Self;

    /// Encodes or decodes a value of place `at`.
    fn mix<I: Index>(self, at: usize, value: I) -> I;

    /// Encodes or decodes a pointer that is stored at an address.
    fn mix_ptr(self, addr: usize, ptr: *mut u8) -> *mut u8;

    /// A word that depends on the key and an address.
    fn word(self, addr: usize) -> u64;
}

/// Values are stored as they are.
#[derive(Debug, Clone, Copy)]
pub struct NoKey;

impl LinkKey for NoKey {
    const ZERO: Self = Self;

    #[inline(always)]
    fn new(_: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn mix<I: Index>(self, _: usize, value: I) -> I {
        value
    }

    #[inline(always)]
    fn mix_ptr(self, _: usize, ptr: *mut u8) -> *mut u8 {
        ptr
    }

    #[inline(always)]
    fn word(self, _: usize) -> u64 {
        0
    }
}

/// A key that nobody else knows. Zero encodes nothing.
#[derive(Clone, Copy)]
pub struct SecretKey(u64);

/// An odd number whose bits are irregular: 2<sup>64</sup> divided by the golden ratio (Knuth, *The Art of Computer
/// Programming*, volume 3, section 6.4).
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl LinkKey for SecretKey {
    const ZERO: Self = Self(0);

    #[inline(always)]
    fn new(bits: u64) -> Self {
        Self(bits)
    }

    #[inline(always)]
    fn mix<I: Index>(self, at: usize, value: I) -> I {
        value.xor((self.word(at) >> (u64::BITS - I::BITS)) as usize)
    }

    #[inline(always)]
    fn mix_ptr(self, addr: usize, ptr: *mut u8) -> *mut u8 {
        let word = self.word(addr);
        // The upper half has the better mixed bits.
        ptr.map_addr(|addr| addr ^ word.rotate_left(32) as usize)
    }

    #[inline(always)]
    fn word(self, addr: usize) -> u64 {
        if self.0 == 0 { 0 } else { (self.0 ^ addr as u64).wrapping_mul(FACTOR) }
    }
}

/// Does not print the key.
impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SecretKey")
    }
}
