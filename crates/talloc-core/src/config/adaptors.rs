//! Configurations that change one item of another one.

use core::marker::PhantomData;

use super::{Compact, Config};
use crate::binning::Binning;
use crate::checks::{BlockChecks, Harden, HardenedChecks, Standard};
use crate::granule::Index;
use crate::misuse::{OnMisuse, Panics};
use crate::quick::{Lists, NoQuickLists};

macro_rules! first {
    ($first:ty $(, $other:ty)?) => {
        $first
    };
}

/// Implements [`Config`] for wrappers of a configuration `C`. An item that is not given is that of `C`.
macro_rules! adaptors {
    ($([$($parameter:tt)*] $adaptor:ty {
        $(Index = $index:ty;)?
        $(Bins = $bins:ty;)?
        $(Quick = $quick:ty;)?
        $(LAST_RESORT = $last_resort:expr;)?
        $(CLEAR_AT_CLAIM = $clear:expr;)?
        $(SINGLE_ARENA = $single:expr;)?
        $(Checks = $checks:ty;)?
    })*) => {$(
        impl<C: Config, $($parameter)*> Config for $adaptor {
            type Index = first!($($index,)? C::Index);
            type Bins = first!($($bins,)? C::Bins);
            type Quick = first!($($quick,)? C::Quick);
            const LAST_RESORT: usize = [$($last_resort,)? C::LAST_RESORT][0];
            const CLEAR_AT_CLAIM: bool = [$($clear,)? C::CLEAR_AT_CLAIM][0];
            const SINGLE_ARENA: bool = [$($single,)? C::SINGLE_ARENA][0];
            type Checks = first!($($checks,)? C::Checks);
        }
    )*};
}

adaptors! {
    [I: Index] WithIndex<C, I> { Index = I; }
    [B: Binning] WithBins<C, B> { Bins = B; }
    [L: Lists] WithQuick<C, L> { Quick = L; }
    [const N: usize] Searching<C, N> { LAST_RESORT = N; }
    [] Cleared<C> { CLEAR_AT_CLAIM = true; }
    [] OneArena<C> { SINGLE_ARENA = true; }
    [H: OnMisuse] Checked<C, H> { Checks = BlockChecks<H>; }
    [M: Harden, H: OnMisuse] Hardened<C, M, H> { Checks = HardenedChecks<M, H>; }
}

/// A heap with the parameters of `C` and links of the type `I`: see [`Config::Index`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WithIndex<C, I>(PhantomData<(C, I)>);

/// A heap with the parameters of `C` and other bins: see [`Config::Bins`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WithBins<C, B>(PhantomData<(C, B)>);

/// A heap with the parameters of `C` and other quick lists: see [`Config::Quick`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WithQuick<C, L>(PhantomData<(C, L)>);

/// A heap with the parameters of `C` and no quick lists.
pub type Uncached<C = Compact> = WithQuick<C, NoQuickLists>;

/// A heap with the parameters of `C` that examines up to `N` free chunks before a request fails: see
/// [`Config::LAST_RESORT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Searching<C, const N: usize>(PhantomData<C>);

/// A heap with the parameters of `C` that clears boundary bits when memory is claimed: see [`Config::CLEAR_AT_CLAIM`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cleared<C = Compact>(PhantomData<C>);

/// A heap with the parameters of `C` and at most one arena.
///
/// It has no code that finds the arena of a block or chooses an arena for a request. `cargo xtask size thumb` measures
/// a heap with that code and one without. Claiming a second arena is an error,
/// [`ArenaError::SecondArena`](crate::ArenaError::SecondArena). A span that is larger than the links reach is used only
/// in part.
///
/// # Examples
///
/// ```
/// use talloc_core::{ArenaError, Micro, OneArena, Span, Talloc};
///
/// let (mut memory, mut more) = ([0_u8; 4096], [0_u8; 4096]);
/// let mut heap = Talloc::<OneArena<Micro>>::with_config();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe {
///     assert_eq!(heap.claim(Span::from(&mut memory)), Ok(()));
///     assert_eq!(heap.claim(Span::from(&mut more)), Err(ArenaError::SecondArena));
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OneArena<C = Compact>(PhantomData<C>);

/// A heap with the parameters of `C` that checks the blocks it is passed, also in release builds.
///
/// `free`, `grow` and `shrink` detect whether they are passed an allocated block with its layout. If not, they report a
/// [`Misuse`](crate::Misuse) to `H` before anything has changed. They detect a foreign pointer, a pointer into a block,
/// a block that is already free, a wrong size, and a wrong alignment. By default, a misuse panics.
///
/// The heap can also be walked block by block, with [`Inspect::chunks`](crate::Inspect::chunks).
/// [`Inspect::leaks`](crate::Inspect::leaks) lists the blocks that are allocated.
///
/// # What it does not detect
///
/// If a block was freed and its place was allocated again with the same size, a stale pointer to it is not detected. A
/// write beyond a block's end is detected only if it damages a free chunk, and only by
/// [`verify`](crate::Talloc::verify).
///
/// # Cost
///
/// A second bit for each granule of 8 bytes, which is 1/64 of the arena. Each call that is passed a block reads the
/// bits around the block in constant time. With links of 16 bits, it takes time in proportion to a 512th of the block's
/// bytes.
///
/// # Examples
///
/// ```should_panic
/// use core::alloc::Layout;
/// use talloc_core::{Checked, Span, Talloc};
///
/// let mut memory = [0_u8; 10_000];
/// let mut heap = Talloc::<Checked>::with_config();
/// let layout = Layout::new::<[u64; 5]>();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe {
///     heap.init(Span::from(&mut memory));
///     let block = heap.malloc(layout).unwrap();
///     heap.free(block, layout);
///     // Panics with `freeing a block of 40 bytes aligned to 8 at 0x7f...: already free, it is in
///     // the chunk 0x7f...`.
///     heap.free(block, layout);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checked<C = Compact, H = Panics>(PhantomData<(C, H)>);

/// A heap with the parameters of `C` that is [`Checked`], and protects itself against memory that is overwritten.
///
/// `M` chooses the [`Measures`](crate::Measures). The standard ones find:
///
/// * a write behind a block, if it changes the bytes between the block's end and the next granule;
/// * a write to a freed block, before the block is reused or coalesced;
/// * free chunks, bins and quick lists that were overwritten, before they are used.
///
/// It reports them as a [`Misuse`](crate::Misuse) to `H`. If the heap's own structures are broken, it fails all
/// requests from then on, and ignores blocks that are freed, unless [`OnMisuse::REPAIRS`] is set.
///
/// # Cost
///
/// A hardened heap has the second bits of a checked heap, and some freed blocks wait (see
/// [`Measures::delay`](crate::Measures::delay)). `talloc replay TRACE --heap hardened` of `talloc-cli` measures the
/// time and the memory, also of each measure alone, such as `--heap hardened-fill`.
///
/// # Examples
///
/// ```should_panic
/// use core::alloc::Layout;
/// use talloc_core::{Hardened, Span, Talloc};
///
/// let mut memory = [0_u8; 10_000];
/// let mut heap = Talloc::<Hardened>::with_config();
/// let layout = Layout::new::<[u8; 30]>();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe {
///     heap.init(Span::from(&mut memory));
///     let block = heap.malloc(layout).unwrap();
///     // One byte too many.
///     block.write_bytes(b'x', 31);
///     // Panics with `freeing a block of 30 bytes aligned to 1 at 0x7f...: overwritten behind its end`.
///     heap.free(block, layout);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hardened<C = Compact, M = Standard, H = Panics>(PhantomData<(C, M, H)>);

#[cfg(test)]
mod tests {
    use core::any::TypeId;

    use super::*;
    use crate::binning::FewestBins;
    use crate::config::Tiny;

    fn items<C: Config>() -> ([TypeId; 4], usize, [bool; 2]) {
        let bins = TypeId::of::<C::Bins>();
        let types =
            [TypeId::of::<C::Index>(), bins, TypeId::of::<C::Quick>(), TypeId::of::<C::Checks>()];
        (types, C::LAST_RESORT, [C::CLEAR_AT_CLAIM, C::SINGLE_ARENA])
    }

    #[test]
    fn adaptors_combine_in_any_order() {
        type Links<C> = WithIndex<C, u16>;
        type Bins<C> = WithBins<C, FewestBins>;
        type Search<C> = Searching<C, 64>;
        let tiny = items::<Tiny>();
        assert_eq!(items::<OneArena<Cleared<Search<Uncached<Bins<Links<Compact>>>>>>>(), tiny);
        assert_eq!(items::<Links<Bins<Uncached<Search<Cleared<OneArena<Compact>>>>>>>(), tiny);
        let checked = items::<Checked<Tiny>>();
        assert_eq!(items::<Links<Bins<Uncached<Search<Cleared<OneArena<Checked>>>>>>>(), checked);
        assert_ne!(checked, tiny);
    }
}
