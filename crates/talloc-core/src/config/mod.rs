//! The compile-time parameters of a heap.

mod level;

pub use level::Level;
pub(crate) use level::{KeyOf, WindowOf, draw_canary_key, draw_key};

use core::marker::PhantomData;

use crate::checks::{BlockChecks, Checks, Harden, HardenedChecks, Standard, Unchecked};
use crate::granule::Index;
use crate::heads::Heads;
use crate::misuse::{OnMisuse, Panics};
use crate::quick::{Lists, QuickLists};

/// The compile-time parameters of a heap.
///
/// No choice of parameters is unsound. Parameters that contradict each other do not compile, and others may make a heap
/// slow or wasteful. [`Index`], [`Heads`], [`Lists`] and [`Checks`] are sealed.
///
/// Start with [`Compact`]. To choose parameters yourself, implement this trait for a unit struct:
///
/// ```
/// use talloc_core::{Config, Span, Talloc, Unchecked};
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
///     type Checks = Unchecked;
/// }
///
/// let mut memory = [0_u8; 2048];
/// let mut heap = Talloc::<Sensor>::with_config();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe { heap.init(Span::from(&mut memory)) };
/// assert!(heap.verify().is_ok());
/// ```
pub trait Config: Sized + 'static {
    /// The integer in which links and sizes are stored.
    type Index: Index;

    /// The heads of the bins: an array `[Self::Index; N]`, where `N` is the number of bins, from 2 to 256.
    type Heads: Heads<Self::Index>;

    /// Each size below `2.pow(EXACT_LOG2)` granules of 8 bytes has its own bin.
    const EXACT_LOG2: u32;

    /// Above that, `2.pow(SPLIT_LOG2)` bins divide each doubling of the size. The last bin takes all larger chunks.
    ///
    /// At most [`EXACT_LOG2`](Self::EXACT_LOG2).
    const SPLIT_LOG2: u32;

    /// From `2.pow(COARSE_LOG2)` granules on, a quarter as many bins divide each doubling, because large blocks are
    /// few.
    ///
    /// At least [`EXACT_LOG2`](Self::EXACT_LOG2).
    const COARSE_LOG2: u32 = usize::BITS;

    /// The quick lists, [`QuickLists<N>`](QuickLists). A heap with `QuickLists<0>` caches nothing.
    type Quick: Lists;

    /// The most bytes that the quick lists may hold. They may hold less, depending on the free memory:
    ///
    /// | free memory | bound of the quick lists |
    /// |---|---|
    /// | The source is [ample](crate::Source::IS_AMPLE). | an eighth of the bytes in use, but at least 512 KiB |
    /// | Half of the arena in use, or more, is free in one piece. | a sixteenth of the arenas |
    /// | Less is free in one piece. | a 128th of the first MiB and a 4096th of the rest; only small sizes are cached |
    ///
    /// While a program only frees, and half of the arena is free in one piece, the lists may exceed the bound until the
    /// program allocates again.
    const QUICK_BYTES: usize;

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

    /// What the heap checks: [`Unchecked`], or what [`Checked`] and [`Hardened`] choose.
    type Checks: Checks;
}

/// The parameters of another configuration for links, bins and caches.
macro_rules! sizes_of {
    ($other:ty) => {
        type Index = <$other as Config>::Index;
        type Heads = <$other as Config>::Heads;
        const EXACT_LOG2: u32 = <$other as Config>::EXACT_LOG2;
        const SPLIT_LOG2: u32 = <$other as Config>::SPLIT_LOG2;
        const COARSE_LOG2: u32 = <$other as Config>::COARSE_LOG2;
        const QUICK_BYTES: usize = <$other as Config>::QUICK_BYTES;
        const LAST_RESORT: usize = <$other as Config>::LAST_RESORT;
        const CLEAR_AT_CLAIM: bool = <$other as Config>::CLEAR_AT_CLAIM;
    };
}

/// The default: the densest heap, with quick lists for blocks of up to 1 KiB.
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
    type Checks = Unchecked;
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
    type Checks = Unchecked;
}

/// For microcontrollers: a small control structure, blocks of 8 bytes or more, arenas of at most 509 KiB.
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
    type Checks = Unchecked;
}

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

impl<C: Config> Config for OneArena<C> {
    sizes_of!(C);
    type Quick = C::Quick;
    type Checks = C::Checks;
    const SINGLE_ARENA: bool = true;
}

/// [`OneArena<Micro>`](OneArena) with half as many bins: the least code, about 2 KiB on a Cortex-M3.
///
/// `cargo xtask size thumb` measures it. Compile with an `opt-level` of `z`.
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
    type Checks = Unchecked;
}

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

impl<C: Config, H: OnMisuse> Config for Checked<C, H> {
    sizes_of!(C);
    type Quick = C::Quick;
    type Checks = BlockChecks<H>;
    const SINGLE_ARENA: bool = C::SINGLE_ARENA;
}

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

impl<C: Config, M: Harden, H: OnMisuse> Config for Hardened<C, M, H> {
    sizes_of!(C);
    type Quick = <C::Quick as Lists>::Encoded<<Self::Checks as Checks>::Key>;
    type Checks = HardenedChecks<M, H>;
    const SINGLE_ARENA: bool = C::SINGLE_ARENA;
}
