//! What a heap checks, and what it does against memory errors.
//!
//! | level | configuration | finds |
//! |---|---|---|
//! | plain | [`Unchecked`] | nothing |
//! | checked | [`BlockChecks`] | wrong calls: blocks that are not allocated, or have another layout |
//! | hardened | [`HardenedChecks`] | wrong calls, and memory that was overwritten: behind blocks, in freed blocks, in the heap's own structures |
//!
//! The level is a property of the [`Config`](crate::Config). [`Checked`](crate::Checked) and
//! [`Hardened`](crate::Hardened) add a level to any other configuration.

mod canary;
mod guard;
mod key;
mod measures;

pub(crate) use canary::{Canary, OWN_CANARY, TAIL};
pub(crate) use guard::{Guard, NoGuard, State};
pub use key::LinkKey;
pub(crate) use key::{NoKey, SecretKey};
pub use measures::{Harden, Measures, Standard};

use core::marker::PhantomData;

use crate::misuse::{Misuse, OnMisuse, Panics};

mod sealed {
    pub trait Sealed {}
}

/// What a heap checks, for [`Config::Checks`](crate::Config::Checks).
pub trait Checks: sealed::Sealed + 'static {
    /// Whether the heap knows its blocks, and checks those that it is passed.
    #[doc(hidden)]
    const CHECKED: bool;
    /// What a hardened heap does.
    #[doc(hidden)]
    const MEASURES: Option<Measures> = None;
    /// Whether the heap is repaired and goes on after its structures were found broken.
    #[doc(hidden)]
    const REPAIRS: bool = false;
    /// By what links and sizes in free memory are encoded.
    #[doc(hidden)]
    type Key: LinkKey;

    /// What the heap remembers for its checks.
    #[doc(hidden)]
    type Guard: State;

    /// A key for one arena, or for what the heap stores in blocks.
    #[doc(hidden)]
    fn draw() -> u64 {
        0
    }

    /// Called with what the heap finds.
    #[doc(hidden)]
    fn misuse(_misuse: &Misuse) {}
}

/// The heap trusts its callers, and nobody else's code writes to its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unchecked;

impl sealed::Sealed for Unchecked {}

impl Checks for Unchecked {
    const CHECKED: bool = false;
    type Key = NoKey;
    type Guard = NoGuard;
}

/// The heap checks the blocks that it is passed: see [`Checked`](crate::Checked).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockChecks<H = Panics>(PhantomData<H>);

impl<H> sealed::Sealed for BlockChecks<H> {}

impl<H: OnMisuse> Checks for BlockChecks<H> {
    const CHECKED: bool = true;
    type Key = NoKey;
    type Guard = NoGuard;

    #[track_caller]
    fn misuse(misuse: &Misuse) {
        H::misuse(misuse);
    }
}

/// The heap also protects itself against memory that is overwritten: see [`Hardened`](crate::Hardened).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HardenedChecks<M = Standard, H = Panics>(PhantomData<(M, H)>);

impl<M, H> sealed::Sealed for HardenedChecks<M, H> {}

impl<M: Harden, H: OnMisuse> Checks for HardenedChecks<M, H> {
    const CHECKED: bool = true;
    const MEASURES: Option<Measures> = Some(M::MEASURES);
    const REPAIRS: bool = H::REPAIRS;
    type Key = SecretKey;
    type Guard = Guard;

    fn draw() -> u64 {
        M::key()
    }

    #[track_caller]
    fn misuse(misuse: &Misuse) {
        H::misuse(misuse);
    }
}

/// Checks of a heap that knows its blocks. Such a heap can be walked block by block.
pub trait KnowsBlocks: Checks + sealed::Sealed {}

impl<H: OnMisuse> KnowsBlocks for BlockChecks<H> {}
impl<M: Harden, H: OnMisuse> KnowsBlocks for HardenedChecks<M, H> {}
