//! The granule: the unit of chunk sizes.

/// Bytes in a granule, which is also the natural alignment of every block.
pub(crate) const GRANULE: usize = 8;

/// How many granules `bytes` bytes fill, the last one perhaps in part.
///
/// `bytes` is at most `isize::MAX`, as the size of a `Layout` is, so that the sum cannot wrap.
#[inline(always)]
#[allow(clippy::manual_div_ceil)] // That is more code, as it need not rely on this.
pub(crate) const fn granules(bytes: usize) -> usize {
    (bytes + (GRANULE - 1)) / GRANULE
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u16 {}
    impl Sealed for u32 {}
}

/// The integer that a free chunk keeps its size and its links in, in granules.
///
/// It bounds how far the granules of one arena may lie apart, and how small a free chunk may be
/// and still be found by its size:
///
/// | index | an arena spans at most | smallest block |
/// |---|---|---|
/// | `u16` | 509 KiB | 8 bytes |
/// | `u32` | 4 KiB less than 32 GiB, and all of a 32-bit address space | 16 bytes |
///
/// What is [claimed](crate::Talloc::claim) beyond that becomes several arenas.
///
/// The window that an arena may grow in is centred on the span it was claimed with, to within a few
/// KiB.
pub trait Index: Copy + Eq + sealed::Sealed + 'static {
    /// Bits of the integer.
    const BITS: u32;
    /// The index that stands for nothing.
    const NIL: Self;

    /// The low bits of `granule`, which are all that it has.
    fn new(granule: usize) -> Self;

    /// The granule's number.
    fn get(self) -> usize;
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
        }
    )*};
}

index!(u16, u32);

/// The least granules a free chunk must have to hold a size at each end and two links.
pub(crate) const fn min_linked<I: Index>() -> usize {
    (4 * size_of::<I>()).div_ceil(GRANULE)
}

static_assertions::const_assert_eq!(min_linked::<u16>(), 1);
static_assertions::const_assert_eq!(min_linked::<u32>(), 2);
static_assertions::const_assert!(usize::BITS >= 32);
static_assertions::const_assert!(GRANULE >= size_of::<usize>());
