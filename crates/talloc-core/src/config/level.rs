//! What follows from the level of a configuration.

use super::Config;
use crate::binning::Binning;
use crate::checks::{Checks, LinkKey, Measures, OWN_CANARY, TAIL};
use crate::misuse::Misuse;
use crate::quick::Lists;
use crate::window::Window;

/// By what a heap encodes the sizes and links in free memory.
pub(crate) type KeyOf<C> = <<C as Config>::Checks as Checks>::Key;

/// The window of an arena.
pub(crate) type WindowOf<C> = Window<<C as Config>::Index, KeyOf<C>>;

/// The heads of the bins of an arena.
pub(crate) type HeadsOf<C> = <<C as Config>::Bins as Binning>::Heads<<C as Config>::Index>;

/// The quick lists, whose links are encoded in the same way.
pub(crate) type QuickOf<C> = <<C as Config>::Quick as Lists>::Encoded<KeyOf<C>>;

/// A key for the sizes and links of an arena.
pub(crate) fn draw_key<C: Config>() -> KeyOf<C> {
    if C::ENCODED { KeyOf::<C>::new(C::Checks::draw()) } else { KeyOf::<C>::ZERO }
}

/// A key for the canary of an arena's own chunk.
pub(crate) fn draw_canary_key<C: Config>() -> KeyOf<C> {
    if C::HAS_CANARIES { KeyOf::<C>::new(C::Checks::draw()) } else { KeyOf::<C>::ZERO }
}

/// The level of a configuration, as constants that no implementation of [`Config`] can change.
#[doc(hidden)]
pub trait Level: Config + sealed::Sealed {
    /// Whether the heap knows its blocks, and checks those that it is passed.
    const CHECKED: bool = <Self::Checks as Checks>::CHECKED;
    /// Whether the heap protects itself against memory that is overwritten.
    const HARDENED: bool = <Self::Checks as Checks>::MEASURES.is_some();
    /// What it does, if it is hardened.
    const MEASURES: Measures = match <Self::Checks as Checks>::MEASURES {
        Some(measures) => measures,
        None => Measures::NONE,
    };
    /// Whether links and sizes are encoded, and checked before they are used.
    const ENCODED: bool = Self::MEASURES.encode;
    /// How many more bytes a block has than its owner can use.
    const TAIL: usize = if Self::MEASURES.tails { TAIL } else { 0 };
    /// Granules of the canary at the end of an arena's own chunk.
    const OWN_CANARY: usize = if Self::HAS_CANARIES { OWN_CANARY } else { 0 };
    /// Whether all blocks take an even number of granules.
    const EVEN: bool = Self::MEASURES.even;
    /// Whether there are canaries.
    const HAS_CANARIES: bool = Self::MEASURES.slack || Self::MEASURES.tails;

    /// Called with what the heap finds.
    #[track_caller]
    #[inline(always)]
    fn misuse(misuse: &Misuse) {
        <Self::Checks as Checks>::misuse(misuse);
    }
}

impl<C: Config> Level for C {}

mod sealed {
    pub trait Sealed {}
    impl<C: super::Config> Sealed for C {}
}
