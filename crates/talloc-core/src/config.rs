//! The compile-time parameters of a heap.

use core::marker::PhantomData;

use crate::granule::Index;
use crate::heads::Heads;
use crate::misuse::{Misuse, OnMisuse, Panics};
use crate::quick::{Lists, QuickLists};

/// The compile-time parameters of a heap.
///
/// They are not relied on: those that make no sense do not compile, and others make a heap slow or wasteful,
/// but not unsound. [`Index`], [`Heads`] and [`Lists`] are sealed.
///
/// [`Compact`] is the one to start with. A heap of one's own is a unit struct and this
/// implementation:
///
/// ```
/// use talloc_core::{Config, Span, Talloc};
///
/// /// Arenas of at most 509 KiB, few bins, a few cached blocks.
/// struct Sensor;
///
/// impl Config for Sensor {
///     type Index = u16;
///     type Heads = [u16; 48];
///     const EXACT_LOG2: u32 = 5;
///     const SPLIT_LOG2: u32 = 1;
///     type Quick = talloc_core::QuickLists<9>;
///     const QUICK_BYTES: usize = 256;
///     const LAST_RESORT: usize = 64;
/// }
///
/// let mut memory = [0_u8; 2048];
/// let mut heap = Talloc::<Sensor>::with_config();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe { heap.init(Span::from(&mut memory)) };
/// assert!(heap.verify().is_ok());
/// ```
pub trait Config: Sized + 'static {
    /// The integer of links and sizes.
    type Index: Index;

    /// The heads of the bins, an array `[Self::Index; N]` of 2 to 256 bins.
    type Heads: Heads<Self::Index>;

    /// Below two to this power, in granules of 8 bytes, each size has a bin of its own.
    const EXACT_LOG2: u32;

    /// Above, two to this power bins share each doubling of the size.
    ///
    /// At most [`EXACT_LOG2`](Self::EXACT_LOG2). The last bin takes all that is larger.
    const SPLIT_LOG2: u32;

    /// From two to this power on, in granules, a quarter as many bins share each doubling: blocks that
    /// large are few.
    ///
    /// At least [`EXACT_LOG2`](Self::EXACT_LOG2).
    const COARSE_LOG2: u32 = usize::BITS;

    /// The quick lists, [`QuickLists<N>`](QuickLists). `QuickLists<0>` switches them off.
    type Quick: Lists;

    /// The most bytes that the quick lists may hold, if that is less than a sixteenth of the arenas, or,
    /// if less than half of the arena in use is free in one piece, a 128th of their first MiB and a
    /// 4096th of the rest; then there are also fewer sizes that are cached. Otherwise they hold more after
    /// hundreds of blocks have been freed while the lists met every request, until others come.
    ///
    /// Where the source's memory is [ample](crate::Source::IS_AMPLE), they may hold an eighth of what is in use, or
    /// 512 KiB if that is more.
    const QUICK_BYTES: usize;

    /// How many free chunks a request that no bin is sure to meet examines before it fails.
    ///
    /// With 0 there is no search. A request takes the first chunk of its own bin if that is large
    /// enough, or any chunk of a higher bin, as in TLSF. An aligned request takes a chunk of a bin
    /// whose chunks have room for the block wherever they start. This gives the lowest worst case.
    /// In return, a request may fail although a chunk of its own bin could hold it, which is at most
    /// as much larger as the bin is wide.
    ///
    /// With `usize::MAX`, the search examines all chunks that may be large enough. Then a request
    /// fails only if no free chunk can hold it, but may take time in proportion to their number.
    ///
    /// If no arena is sure to meet a request, at most as many arenas that may are searched so. An aligned request tries
    /// four, also if this is less.
    const LAST_RESORT: usize;

    /// Whether the boundary bits of an arena are cleared when it is claimed, extended or moved,
    /// rather than as its memory is first used.
    ///
    /// Then claiming writes to a 64th of the memory, and no allocation spends time on clearing.
    const CLEAR_AT_CLAIM: bool = false;

    /// Whether the heap has no more than one arena.
    ///
    /// Then a further one is refused, by
    /// [`ArenaError::SecondArena`](crate::ArenaError::SecondArena), and there is no code that would look
    /// for the arena of a block.
    const SINGLE_ARENA: bool = false;

    /// Whether the heap checks what it is passed; see [`Checked`], which sets it.
    #[doc(hidden)]
    const CHECKED: bool = false;

    /// What is done about what a checked heap finds.
    #[doc(hidden)]
    fn misuse(_: &Misuse) {}
}

/// The parameters of another configuration that say what the heap is made of: links, bins and caches.
macro_rules! sizes_of {
    ($other:ty) => {
        type Index = <$other as Config>::Index;
        type Heads = <$other as Config>::Heads;
        const EXACT_LOG2: u32 = <$other as Config>::EXACT_LOG2;
        const SPLIT_LOG2: u32 = <$other as Config>::SPLIT_LOG2;
        const COARSE_LOG2: u32 = <$other as Config>::COARSE_LOG2;
        type Quick = <$other as Config>::Quick;
        const QUICK_BYTES: usize = <$other as Config>::QUICK_BYTES;
        const LAST_RESORT: usize = <$other as Config>::LAST_RESORT;
        const CLEAR_AT_CLAIM: bool = <$other as Config>::CLEAR_AT_CLAIM;
    };
}

/// The default: as dense as can be, with quick lists for blocks of up to 1 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Compact;

impl Config for Compact {
    type Index = u32;
    type Heads = [u32; 240];
    const EXACT_LOG2: u32 = 5;
    const SPLIT_LOG2: u32 = 4;
    const COARSE_LOG2: u32 = 13;
    type Quick = QuickLists<129>;
    const QUICK_BYTES: usize = 1 << 20;
    const LAST_RESORT: usize = 32;
}

/// For hard real-time systems: the worst case of each operation is bounded, and small.
///
/// Like [`Compact`], but without quick lists, without a search before a request fails, and with
/// all boundary bits cleared when memory is claimed. `cargo xtask bounds` measures the worst case
/// in instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RealTime;

impl Config for RealTime {
    type Index = <Compact as Config>::Index;
    type Heads = <Compact as Config>::Heads;
    const EXACT_LOG2: u32 = Compact::EXACT_LOG2;
    const SPLIT_LOG2: u32 = Compact::SPLIT_LOG2;
    const COARSE_LOG2: u32 = Compact::COARSE_LOG2;
    type Quick = QuickLists<0>;
    const QUICK_BYTES: usize = 0;
    const LAST_RESORT: usize = 0;
    const CLEAR_AT_CLAIM: bool = true;
}

/// For microcontrollers: a small control structure, blocks from 8 bytes on, arenas of at most
/// 509 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Micro;

impl Config for Micro {
    type Index = u16;
    type Heads = [u16; 40];
    const EXACT_LOG2: u32 = 4;
    const SPLIT_LOG2: u32 = 1;
    type Quick = QuickLists<0>;
    const QUICK_BYTES: usize = 0;
    const LAST_RESORT: usize = 64;
    const CLEAR_AT_CLAIM: bool = true;
}

/// A heap with the parameters of `C` and no more than one arena.
///
/// It has none of the code that finds the arena of a block, and that chooses one for a request: `cargo xtask size thumb`
/// weighs a heap with that code and one without. A further arena is refused by
/// [`ArenaError::SecondArena`](crate::ArenaError::SecondArena). Of memory that links do not reach across, only the first
/// part is used.
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

impl<C: Config> Config for OneArena<C> {
    sizes_of!(C);
    const SINGLE_ARENA: bool = true;
    const CHECKED: bool = C::CHECKED;

    #[track_caller]
    fn misuse(misuse: &Misuse) {
        C::misuse(misuse);
    }
}

/// [`OneArena<Micro>`](OneArena) with half as many bins: the least code, about 2 KiB on a Cortex-M3.
///
/// `cargo xtask size thumb` weighs it. Compile with an `opt-level` of `z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tiny;

impl Config for Tiny {
    type Index = <Micro as Config>::Index;
    type Heads = [u16; 20];
    const EXACT_LOG2: u32 = 3;
    const SPLIT_LOG2: u32 = 0;
    type Quick = QuickLists<0>;
    const QUICK_BYTES: usize = 0;
    const LAST_RESORT: usize = Micro::LAST_RESORT;
    const CLEAR_AT_CLAIM: bool = Micro::CLEAR_AT_CLAIM;
    const SINGLE_ARENA: bool = true;
}

/// A heap with the parameters of `C` that checks what it is passed, in release builds, too.
///
/// `free`, `grow` and `shrink` tell exactly whether they have been given an allocated block and its
/// layout. If not, the [`Misuse`] is reported to `H` before anything has been changed: a foreign
/// pointer, one that is not a block's start, a block that is free already, a wrong size, a wrong
/// alignment. By default that panics.
///
/// The heap can be walked block by block, too: [`Inspect::chunks`](crate::Inspect::chunks), and
/// [`Inspect::leaks`](crate::Inspect::leaks), which says what is still allocated.
///
/// # What it cannot tell
///
/// A block that has been freed and allocated again, at the same place and with the same size, is
/// one like any other. What is written beyond a block's end is not seen, unless it breaks a free
/// chunk, which [`verify`](crate::Talloc::verify) finds.
///
/// # Cost
///
/// A second bit per granule of 8 bytes, 1/64 of the arena. Each call that is passed a block reads
/// the bits around that, in constant time; with links of 16 bits, a 512th of the block's bytes.
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

impl<C: Config, H: OnMisuse> Config for Checked<C, H> {
    sizes_of!(C);
    const SINGLE_ARENA: bool = C::SINGLE_ARENA;
    const CHECKED: bool = true;

    #[track_caller]
    fn misuse(misuse: &Misuse) {
        H::misuse(misuse);
    }
}
