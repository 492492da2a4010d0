//! An arena: a complete heap in one piece of memory.
//!
//! ```text
//!                     start                          top            end
//!                       |                             |              |
//!                       v                             v              v
//!  | own: control, bits | used | free | used | ...    | never split  |
//! ```
//!
//! Chunks cover the memory from `start` to `top`. A used chunk contains only its owner's data. A free chunk has its
//! size at both ends, and links to other chunks of its bin. Above the chunks lies the top. It is free, but in no bin,
//! and stores no size. It is carved only when no bin can serve a request.
//!
//! The arena's own chunk holds the boundary bits. In all arenas except a heap's first one, it also holds the control
//! block: this structure, and the links by which the heap finds it. In a hardened heap, it ends with a canary (see
//! `canary.rs`). The own chunk lies below the start until the arena
//! outgrows it. From then on, it is one of the used chunks, or lies above the end if the arena has only grown upwards.

pub(crate) mod bits;
mod canary;
mod check;
mod claim;
mod count;
mod discard;
mod fit;
mod fresh;
mod holds;
mod map;
mod marks;
mod merge;
mod part;
mod purge;
mod raise;
mod rebuild;
mod reshape;
#[cfg(test)]
mod sabotage;
mod split;
mod tidy;
mod trust;
mod walk;

pub(crate) use claim::Control;
pub(crate) use purge::{Cursor, Step};

use core::cell::Cell;
use core::ops::Range;
use core::ptr::NonNull;

use talloc_span::Span;

use crate::bin::Bins;
use crate::checks::LinkKey;
use crate::config::{Config, KeyOf, Level, WindowOf};
use crate::granule::{GRANULE, granules, min_linked};
use crate::kind::Kind;
use crate::quick::Lists;
use bits::{Bits, UNIT};
use fresh::Fresh;

/// A complete heap in one piece of memory.
pub(crate) struct Arena<C: Config> {
    window: WindowOf<C>,
    bits: Bits<C>,
    /// The first granule that may be used.
    start: usize,
    /// The first granule of the top.
    top: usize,
    /// One past the last granule that may be used.
    end: usize,
    /// The first granule whose bit has never been cleared. It is a multiple of [`UNIT`].
    cleared: usize,
    /// The first unit of bits that has been cleared. It is the unit of the granule before the start.
    first_unit: usize,
    fresh: Fresh,
    /// The high-water mark, in bytes, that the arena had when it was last reshaped.
    peak: usize,
    bins: Bins<C>,
    /// The memory as it was given.
    span: Span,
    /// Whether the source may take free memory of the arena back.
    pub(crate) is_reclaimable: bool,
    /// Whether a hardened heap has found something broken in the arena.
    broken: Cell<bool>,
    /// The kind of the memory.
    pub(crate) kind: Kind,
    own: Own,
    /// The key of the canary at the end of the own chunk.
    canary_key: KeyOf<C>,
}

/// The used chunk in which the arena keeps its own structures.
#[derive(Clone, PartialEq, Eq)]
struct Own {
    /// The granules of the chunk.
    chunk: Range<usize>,
    /// How many granules at its start are kept for the control block.
    control: usize,
    /// The units of bits that it has room for.
    units: Range<usize>,
}

impl<C: Config> Arena<C> {
    /// An arena without memory, from which nothing can be allocated.
    ///
    /// All its bytes are zero. A static heap therefore takes no room in the program's file.
    #[allow(clippy::declare_interior_mutable_const, reason = "each use makes an arena of its own")]
    pub(crate) const NONE: Self = Self {
        window: WindowOf::<C>::NONE,
        bits: Bits::NONE,
        start: 0,
        top: 0,
        end: 0,
        cleared: 0,
        first_unit: 0,
        fresh: Fresh::NONE,
        peak: 0,
        bins: Bins::EMPTY,
        span: Span::empty(),
        is_reclaimable: false,
        broken: Cell::new(false),
        kind: Kind::DEFAULT,
        own: Own { chunk: 0..0, control: 0, units: 0..0 },
        canary_key: KeyOf::<C>::ZERO,
    };

    /// An arena without memory, of some kind.
    pub(crate) fn none_of(kind: Kind) -> Self {
        Self { kind, ..Self::NONE }
    }

    /// The granules of the largest arena that can be claimed.
    pub(crate) const MAX_CLAIM: usize = WindowOf::<C>::MAX_AROUND;

    /// An upper bound of the granules of the largest block. The rest of the largest arena is its bitmap.
    pub(crate) const MAX_BLOCK: usize = {
        let granules = WindowOf::<C>::MAX;
        granules - granules / UNIT * Bits::<C>::BYTES / GRANULE
    };

    /// The granules of a block of `size` bytes.
    #[inline(always)]
    pub(crate) fn block_len(size: usize) -> usize {
        let len = granules(size + C::TAIL).max(const { min_linked::<C::Index>() });
        C::Quick::rounded(if C::EVEN { len + len % 2 } else { len })
    }

    /// The memory as it was given.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// The part of the memory in which blocks may lie.
    pub(crate) fn allocatable(&self) -> Span {
        self.span_of(self.start..self.end)
    }

    /// Whether nothing can ever be allocated, because the memory given is too small.
    pub(crate) fn is_blank(&self) -> bool {
        self.start == self.end
    }

    /// Whether an address lies between the start and the end.
    #[inline(always)]
    pub(crate) fn contains(&self, addr: usize) -> bool {
        let at = self.window.granule(addr);
        self.start <= at && at < self.end
    }

    /// A pointer with the arena's provenance to the block at `ptr`.
    ///
    /// The owner's pointer may be valid only for the bytes that the owner asked for.
    #[inline(always)]
    pub(crate) fn block(&self, ptr: NonNull<u8>) -> NonNull<u8> {
        let block = self.window.ptr(self.window.granule(ptr.addr().get()));
        // SAFETY: It has the address of a pointer that is not null.
        unsafe { NonNull::new_unchecked(block) }
    }

    /// The granule of a block.
    #[inline(always)]
    pub(crate) fn granule(&self, block: NonNull<u8>) -> usize {
        self.window.granule(block.addr().get())
    }

    /// A pointer to the granule `at`.
    #[inline(always)]
    pub(crate) fn ptr(&self, at: usize) -> NonNull<u8> {
        // SAFETY: The arena does not contain the null address.
        unsafe { NonNull::new_unchecked(self.window.ptr(at)) }
    }

    /// The memory of a range of granules.
    fn span_of(&self, range: Range<usize>) -> Span {
        if range.is_empty() {
            return Span::empty();
        }
        Span::from_ptr_size(self.window.ptr(range.start), range.len() * GRANULE)
    }

    /// Whether the control block lies outside the own chunk.
    pub(crate) fn is_controlled_outside(&self) -> bool {
        self.own.control == 0
    }

    /// Where the control block lies, if it is in the own chunk.
    pub(crate) fn control(&self) -> NonNull<Arena<C>> {
        self.ptr(self.own.chunk.start).cast()
    }

    /// The most bytes that were ever in use at once, including the own chunk. It is rounded up to the granules whose
    /// units of bits have been cleared.
    pub(crate) fn high_water(&self) -> usize {
        let units = (self.cleared / UNIT).saturating_sub(self.first_unit);
        let own = if self.is_split_by_own() {
            0
        } else {
            (self.own.control + C::OWN_CANARY) * GRANULE + units * Bits::<C>::BYTES
        };
        self.peak.max(self.chunks_high_water() + own)
    }

    /// [`high_water`](Self::high_water) since the arena was last reshaped, of the memory between the start and the end.
    #[inline]
    fn chunks_high_water(&self) -> usize {
        (self.cleared.min(self.end) - self.start) * GRANULE
    }

    /// Whether the own chunk lies among the chunks, neither below nor above all of them.
    pub(crate) fn is_split_by_own(&self) -> bool {
        self.own.chunk.end != self.start && self.own.chunk.start != self.end
    }

    /// All granules of the arena, including the own chunk.
    fn extent(&self) -> Range<usize> {
        let own = &self.own.chunk;
        let start = if own.end == self.start { own.start } else { self.start };
        start..if own.start == self.end { own.end } else { self.end }
    }

    /// Bytes between the start and the end.
    pub(crate) fn size(&self) -> usize {
        (self.end - self.start) * GRANULE
    }
}

/// The units of bits for a range of granules, and for the granule before it, whose bit is read, too.
fn units_for(range: Range<usize>) -> Range<usize> {
    (range.start - 1) / UNIT..range.end.div_ceil(UNIT)
}
