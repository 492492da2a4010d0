//! The choice of bins, their heads, and the numbers that stand for bins in links.

use crate::granule::Index;

/// The most bins that a heap can have. A link below this number stands for a bin, not for a granule.
pub(crate) const MAX_BINS: usize = 256;

mod sealed {
    pub trait Sealed {}
}

/// How free chunks are divided into bins by their size, for [`Config::Bins`](crate::Config::Bins).
pub trait Binning: sealed::Sealed + 'static {
    /// How many bins there are.
    const LEN: usize;

    /// Each size below `2.pow(EXACT_LOG2)` granules of 8 bytes has its own bin.
    const EXACT_LOG2: u32;

    /// Above that, `2.pow(SPLIT_LOG2)` bins divide each doubling of the size. The last bin takes all larger chunks.
    const SPLIT_LOG2: u32;

    /// From `2.pow(COARSE_LOG2)` granules on, a quarter as many bins divide each doubling, because large blocks are
    /// few.
    const COARSE_LOG2: u32;

    /// The heads of the bins.
    #[doc(hidden)]
    type Heads<I: Index>: Heads<I>;
}

/// `N` bins, from 2 to 256.
///
/// The other parameters are binary logarithms. Each size below `2.pow(EXACT)` granules of 8 bytes has its own bin. Above
/// that, `2.pow(SPLIT)` bins divide each doubling of the size, and a quarter as many from `2.pow(COARSE)` granules on.
/// The last bin takes all larger chunks. `2.pow(EXACT) < N`, and `SPLIT <= EXACT <= COARSE`.
///
/// The more bins, the better a chunk fits a request, and the larger are the heap and each arena: a bin takes a
/// [link](Index).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SizeBins<
    const N: usize,
    const EXACT: u32,
    const SPLIT: u32,
    const COARSE: u32 = { usize::BITS },
>;

/// The bins of [`Compact`](crate::Compact).
pub type FineBins = SizeBins<240, 5, 4, 13>;

/// The bins of [`Micro`](crate::Micro).
pub type FewBins = SizeBins<40, 4, 1>;

/// The bins of [`Tiny`](crate::Tiny).
pub type FewestBins = SizeBins<20, 3, 0>;

impl<const N: usize, const EXACT: u32, const SPLIT: u32, const COARSE: u32> sealed::Sealed
    for SizeBins<N, EXACT, SPLIT, COARSE>
{
}

impl<const N: usize, const EXACT: u32, const SPLIT: u32, const COARSE: u32> Binning
    for SizeBins<N, EXACT, SPLIT, COARSE>
{
    const LEN: usize = {
        assert!(N <= MAX_BINS, "`N` must be at most 256");
        assert!(
            EXACT < MAX_BINS.ilog2() && 1 << EXACT < N,
            "`N` must exceed `2.pow(EXACT)`: each exact size has a bin, and so have larger sizes"
        );
        assert!(
            SPLIT <= EXACT,
            "`SPLIT` must be at most `EXACT`: a doubling has no more bins than sizes"
        );
        assert!(EXACT <= COARSE, "`COARSE` must be at least `EXACT`");
        N
    };
    const EXACT_LOG2: u32 = EXACT;
    const SPLIT_LOG2: u32 = SPLIT;
    // No size is as large as `2.pow(usize::BITS)`.
    const COARSE_LOG2: u32 = if COARSE < usize::BITS { COARSE } else { usize::BITS };
    type Heads<I: Index> = [I; N];
}

/// The heads of the bins: an array of links.
pub trait Heads<I> {
    /// Heads of empty bins.
    const EMPTY: Self;

    /// The heads as a slice.
    fn as_slice(&self) -> &[I];

    /// The heads as a slice.
    fn as_mut_slice(&mut self) -> &mut [I];
}

impl<I: Index, const N: usize> Heads<I> for [I; N] {
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
