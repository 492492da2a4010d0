//! The granule: the unit of chunk sizes.

/// Bytes in a granule, which is also the natural alignment of every block.
pub(crate) const GRANULE: usize = 8;

/// How many granules `bytes` bytes need.
///
/// `bytes` is at most `isize::MAX`, like the size of a `Layout`, so the sum cannot wrap.
#[inline(always)]
#[allow(clippy::manual_div_ceil)] // `div_ceil` is more code, because it must not overflow for larger numbers.
pub(crate) const fn granules(bytes: usize) -> usize {
    (bytes + (GRANULE - 1)) / GRANULE
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u16 {}
    impl Sealed for u32 {}
}

/// The integer in which a free chunk stores its size and its links, in granules.
///
/// It bounds the size of an arena. It also determines the smallest block, because each free chunk must have room for
/// its sizes and links:
///
/// | index | an arena spans at most | smallest block |
/// |---|---|---|
/// | `u16` | 509 KiB | 8 bytes |
/// | `u32` | 4 KiB less than 32 GiB, and all of a 32-bit address space | 16 bytes |
///
/// A larger span that is [claimed](crate::Talloc::claim) becomes several arenas.
///
/// An arena can grow within a window of that size. The span that was claimed lies in the middle of the window, to
/// within a few KiB.
pub trait Index: Copy + Eq + sealed::Sealed + 'static {
    /// Bits of the integer.
    const BITS: u32;
    /// The index that is no granule.
    const NIL: Self;

    /// The index of a granule, whose number has no more than [`BITS`](Self::BITS) bits.
    fn new(granule: usize) -> Self;

    /// The granule's number.
    fn get(self) -> usize;

    /// The number with some of its lowest bits flipped.
    #[doc(hidden)]
    fn xor(self, bits: usize) -> Self;
}

macro_rules! index {
    ($($int:ty),*) => {$(
        impl Index for $int {
            const BITS: u32 = <$int>::BITS;
            const NIL: Self = 0;

            #[inline(always)]
            fn new(granule: usize) -> Self {
                debug_assert!(granule <= <$int>::MAX as usize);
                granule as $int
            }

            #[inline(always)]
            fn get(self) -> usize {
                self as usize
            }

            #[inline(always)]
            fn xor(self, bits: usize) -> Self {
                self ^ bits as $int
            }
        }
    )*};
}

index!(u16, u32);

/// How many granules a free chunk must have for a size at each end and two links.
pub(crate) const fn min_linked<I: Index>() -> usize {
    (4 * size_of::<I>()).div_ceil(GRANULE)
}

static_assertions::const_assert_eq!(min_linked::<u16>(), 1);
static_assertions::const_assert_eq!(min_linked::<u32>(), 2);
static_assertions::const_assert!(usize::BITS >= 32);
static_assertions::const_assert!(GRANULE >= size_of::<usize>());
