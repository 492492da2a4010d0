//! The compile-time parameters of a heap.

mod adaptors;
mod level;
mod presets;

pub use adaptors::{
    Checked, Cleared, Hardened, OneArena, Searching, Uncached, WithBins, WithIndex, WithQuick,
};
pub use level::Level;
pub(crate) use level::{HeadsOf, KeyOf, QuickOf, WindowOf, draw_canary_key, draw_key};
pub use presets::{Compact, Micro, RealTime, Tiny};

use crate::binning::Binning;
use crate::checks::Checks;
use crate::granule::Index;
use crate::quick::Lists;

/// The compile-time parameters of a heap.
///
/// Each item is a choice of its own, and combines with any choice of the others, except that a heap with
/// [peers](crate::PeerLists) has links of 32 bits and is [`Unchecked`](crate::Unchecked). An adaptor wraps a
/// configuration `C`, and changes one item:
///
/// | choice | item | adaptor |
/// |---|---|---|
/// | the size of links | [`Index`](Self::Index): `u16` or `u32` | [`WithIndex<C, I>`](WithIndex) |
/// | the bins | [`Bins`](Self::Bins): a [`SizeBins`](crate::SizeBins) such as [`FineBins`], [`FewBins`], [`FewestBins`] | [`WithBins<C, B>`](WithBins) |
/// | the cache of freed blocks | [`Quick`](Self::Quick): [`QuickLists`], [`NoQuickLists`], [`PeerLists`](crate::PeerLists) | [`WithQuick<C, L>`](WithQuick), [`Uncached<C>`](Uncached) |
/// | the search before a request fails | [`LAST_RESORT`](Self::LAST_RESORT) | [`Searching<C, N>`](Searching) |
/// | when boundary bits are cleared | [`CLEAR_AT_CLAIM`](Self::CLEAR_AT_CLAIM) | [`Cleared<C>`](Cleared) |
/// | the number of arenas | [`SINGLE_ARENA`](Self::SINGLE_ARENA) | [`OneArena<C>`](OneArena) |
/// | the checks | [`Checks`](Self::Checks) | [`Checked<C>`](Checked), [`Hardened<C>`](Hardened) |
///
/// These configurations have names. Start with [`Compact`]:
///
/// | | `Index` | `Bins` | `Quick` | `LAST_RESORT` | `CLEAR_AT_CLAIM` | `SINGLE_ARENA` |
/// |---|---|---|---|---|---|---|
/// | [`Compact`] | `u32` | [`FineBins`] | [`QuickLists<129, { 1 << 20 }>`](crate::QuickLists) | 32 | `false` | `false` |
/// | [`RealTime`] | `u32` | [`FineBins`] | [`NoQuickLists`] | 0 | `true` | `false` |
/// | [`Micro`] | `u16` | [`FewBins`] | [`NoQuickLists`] | 64 | `true` | `false` |
/// | [`Tiny`] | `u16` | [`FewestBins`] | [`NoQuickLists`] | 64 | `true` | `true` |
///
/// No choice of parameters is unsound. Parameters that contradict each other do not compile, and others may make a heap
/// slow or wasteful. [`Index`], [`Binning`], [`Lists`] and [`Checks`] are sealed. The `opt-level` of the build is not a
/// parameter of the heap; [Size of the code](crate#size-of-the-code) lists its effects.
///
/// # Examples
///
/// Adaptors combine in any order. If two of them change the same item, the outer one counts:
///
/// ```
/// use talloc_core::{Checked, Compact, FewBins, OneArena, OwnedTalloc, Uncached, WithBins};
///
/// /// One arena, few bins, no quick lists; misuse is detected.
/// type Frugal = Checked<OneArena<Uncached<WithBins<Compact, FewBins>>>>;
///
/// assert!(size_of::<OwnedTalloc<Frugal>>() < size_of::<OwnedTalloc>() / 3);
/// ```
///
/// To choose all parameters yourself, implement the trait for a unit struct:
///
/// ```
/// use talloc_core::{Config, QuickLists, SizeBins, Span, Talloc, Unchecked};
///
/// /// Arenas of at most 509 KiB, few bins, at most 256 bytes of cached blocks.
/// struct Sensor;
///
/// impl Config for Sensor {
///     type Index = u16;
///     type Bins = SizeBins<48, 5, 1>;
///     type Quick = QuickLists<9, 256>;
///     const LAST_RESORT: usize = 64;
///     type Checks = Unchecked;
/// }
///
/// let mut memory = [0_u8; 2048];
/// let mut heap = Talloc::<Sensor>::with_config();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe { heap.init(Span::from(&mut memory)) };
/// assert!(heap.verify().is_ok());
/// ```
///
/// [`FewBins`]: crate::FewBins
/// [`FewestBins`]: crate::FewestBins
/// [`FineBins`]: crate::FineBins
/// [`NoQuickLists`]: crate::NoQuickLists
/// [`QuickLists`]: crate::QuickLists
pub trait Config: Sized + 'static {
    /// The integer in which links and sizes are stored. It bounds the size of an arena, and determines the smallest
    /// block.
    type Index: Index;

    /// The bins of an arena, [`SizeBins`](crate::SizeBins).
    type Bins: Binning;

    /// The quick lists, [`QuickLists<N, BYTES>`](crate::QuickLists).
    type Quick: Lists;

    /// How many free chunks a request examines before it fails, if no bin is sure to have a chunk for it.
    ///
    /// With 0 there is no search. A request takes the first chunk of its own bin if that is large enough, or any chunk
    /// of a higher bin, as in TLSF. An aligned request takes a chunk of a bin whose chunks have room for the block
    /// wherever they start. This gives the lowest worst case. In return, a request may fail although a chunk of its own
    /// bin could hold it. The sizes of that bin bound how much larger the chunk may be.
    ///
    /// With `usize::MAX`, the search examines all chunks that may be large enough. Then a request
    /// fails only if no free chunk can hold it, but may take time in proportion to their number.
    ///
    /// If no arena is sure to meet a request, this is also the number of arenas that are searched. An aligned request
    /// searches at least four.
    const LAST_RESORT: usize;

    /// Whether the boundary bits of an arena are cleared when it is claimed, extended or moved, and not when its memory
    /// is first used.
    ///
    /// If so, claiming writes to a 64th of the memory, and no allocation spends time on clearing.
    const CLEAR_AT_CLAIM: bool = false;

    /// Whether the heap has at most one arena.
    ///
    /// If so, claiming a second one is an error, [`ArenaError::SecondArena`](crate::ArenaError::SecondArena). The heap
    /// has no code that finds the arena of a block.
    const SINGLE_ARENA: bool = false;

    /// What the heap checks: [`Unchecked`](crate::Unchecked), or what [`Checked`] and [`Hardened`] choose.
    type Checks: Checks;
}
