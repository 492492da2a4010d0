//! The heads of the bins, and the numbers that stand for bins in links.

use crate::granule::Index;

/// The most bins that a heap can have. A link below this number stands for a bin, not for a granule.
pub(crate) const MAX_BINS: usize = 256;

mod sealed {
    pub trait Sealed {}
    impl<I: super::Index, const N: usize> Sealed for [I; N] {}
}

/// The heads of the bins: an array of links.
pub trait Heads<I>: sealed::Sealed {
    /// How many there are.
    const LEN: usize;
    /// Heads of empty bins.
    const EMPTY: Self;

    /// The heads as a slice.
    fn as_slice(&self) -> &[I];

    /// The heads as a slice.
    fn as_mut_slice(&mut self) -> &mut [I];
}

impl<I: Index, const N: usize> Heads<I> for [I; N] {
    const LEN: usize = N;
    const EMPTY: Self = [I::NIL; N];

    #[inline(always)]
    fn as_slice(&self) -> &[I] {
        self
    }

    #[inline(always)]
    fn as_mut_slice(&mut self) -> &mut [I] {
        self
    }
}
