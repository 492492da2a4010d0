//! An arena: a complete heap in one piece of memory.
//!
//! ```text
//!                     start                          top            end
//!                       |                             |              |
//!                       v                             v              v
//!  | own: control, bits | used | free | used | ...    | never split  |
//! ```
//!
//! What lies between `start` and `top` is covered by chunks: used ones, of which nothing is kept
//! but what their owners keep in them, and free ones, which have their size at both ends and links
//! to others of their bin. Above lies the top, which is free but in no bin and has no size: it is
//! carved only if no bin can help.
//!
//! The own chunk holds the boundary bits and, in all arenas but a heap's first one, the control block, which is this
//! structure and what leads to it.
//! It lies before the start, until the arena outgrows it; then it is one of the used chunks, or, if the
//! arena has grown upwards only, above the end.

pub(crate) mod bits;
mod check;
mod claim;
mod count;
mod discard;
mod fit;
mod holds;
mod map;
mod marks;
mod merge;
mod part;
mod purge;
mod raise;
mod reshape;
#[cfg(test)]
mod sabotage;
mod split;
mod tidy;
mod walk;

pub(crate) use claim::Control;
pub(crate) use purge::{Cursor, Step};

use core::ops::Range;
use core::ptr::NonNull;

use talloc_span::Span;

use crate::bin::Bins;
use crate::config::Config;
use crate::granule::{GRANULE, granules, min_linked};
use crate::kind::Kind;
use crate::quick::Lists;
use crate::window::Window;
use bits::{Bits, WORD};

/// A complete heap in one piece of memory.
pub(crate) struct Arena<C: Config> {
    window: Window<C::Index>,
    bits: Bits<C>,
    /// The first granule that may be used.
    start: usize,
    /// The first granule of the top.
    top: usize,
    /// One past the last granule that may be used.
    end: usize,
    /// The first granule whose bit has never been cleared; a multiple of [`WORD`].
    cleared: usize,
    /// The first word of bits that has been cleared: that of the granule before the start.
    first_word: usize,
    /// The address from which on the memory that has never been below the top is zero.
    zero: usize,
    /// The address up to which the top may have been written to, if that is further than the bits are
    /// cleared.
    dirty: usize,
    /// The high-water mark, in bytes, of the arena before it was last reshaped.
    peak: usize,
    bins: Bins<C>,
    /// The memory as it was given.
    span: Span,
    /// Whether what is free of it may be taken back.
    pub(crate) is_reclaimable: bool,
    /// What kind of memory it is.
    pub(crate) kind: Kind,
    own: Own,
}

/// The used chunk that belongs to the arena itself.
#[derive(Clone, PartialEq, Eq)]
struct Own {
    /// The granules of the chunk.
    chunk: Range<usize>,
    /// The granules at its start that are kept for whatever has the [`Arena`] in it.
    control: usize,
    /// The words of the bitmap that it has room for.
    words: Range<usize>,
}

impl<C: Config> Arena<C> {
    /// An arena without memory, from which nothing can be allocated.
    ///
    /// All of it is zeros, so that a static heap takes no room in a program's file.
    pub(crate) const NONE: Self = Self {
        window: Window::NONE,
        bits: Bits::NONE,
        start: 0,
        top: 0,
        end: 0,
        cleared: 0,
        first_word: 0,
        zero: 0,
        dirty: 0,
        peak: 0,
        bins: Bins::EMPTY,
        span: Span::empty(),
        is_reclaimable: false,
        kind: Kind::DEFAULT,
        own: Own { chunk: 0..0, control: 0, words: 0..0 },
    };

    /// An arena without memory, of some kind.
    pub(crate) fn none_of(kind: Kind) -> Self {
        Self { kind, ..Self::NONE }
    }

    /// The granules of the largest arena that can be claimed.
    pub(crate) const MAX_CLAIM: usize = Window::<C::Index>::MAX_AROUND;

    /// The granules of the largest block that any arena can hold, or a few more: the rest of the largest
    /// arena is its bitmap.
    pub(crate) const MAX_BLOCK: usize = {
        let granules = Window::<C::Index>::MAX;
        granules - granules / WORD * Bits::<C>::BYTES / GRANULE
    };

    /// The granules of a block of `size` bytes.
    #[inline(always)]
    pub(crate) fn block_len(size: usize) -> usize {
        C::Quick::rounded(granules(size).max(const { min_linked::<C::Index>() }))
    }

    /// The memory as it was given.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// The memory that blocks may lie in.
    pub(crate) fn allocatable(&self) -> Span {
        self.span_of(self.start..self.end)
    }

    /// Whether nothing can ever be allocated, because the memory given is too small.
    pub(crate) fn is_blank(&self) -> bool {
        self.start == self.end
    }

    /// Whether an address lies in what may be used of the arena.
    #[inline(always)]
    pub(crate) fn contains(&self, addr: usize) -> bool {
        let at = self.window.granule(addr);
        self.start <= at && at < self.end
    }

    /// A pointer with the arena's provenance to the block at `ptr`.
    ///
    /// The pointer that a block's owner gives back may be good for no more than the owner's bytes.
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

    /// The memory of some granules.
    fn span_of(&self, range: Range<usize>) -> Span {
        if range.is_empty() {
            return Span::empty();
        }
        Span::from_ptr_size(self.window.ptr(range.start), range.len() * GRANULE)
    }

    /// Whether the control block is somewhere else than in the own chunk.
    pub(crate) fn is_controlled_outside(&self) -> bool {
        self.own.control == 0
    }

    /// Where the control block is, in an arena that keeps it in its own chunk.
    pub(crate) fn control(&self) -> NonNull<Arena<C>> {
        self.ptr(self.own.chunk.start).cast()
    }

    /// The most bytes that were ever in use at once, those of the own chunk included, rounded up
    /// to what the words of bits stand for that have been cleared.
    pub(crate) fn high_water(&self) -> usize {
        let words = (self.cleared / WORD).saturating_sub(self.first_word);
        let own = if self.is_split_by_own() {
            0
        } else {
            self.own.control * GRANULE + words * Bits::<C>::BYTES
        };
        self.peak.max(self.chunks_high_water() + own)
    }

    /// The part of [`high_water`](Self::high_water) that lies between the start and the end, since the
    /// arena was last reshaped.
    #[inline]
    fn chunks_high_water(&self) -> usize {
        (self.cleared.min(self.end) - self.start) * GRANULE
    }

    /// The address from which on all memory that is free is zero, as far as is known.
    #[inline]
    pub(crate) fn zero_from(&self) -> usize {
        self.zero.max(self.window.addr(self.cleared))
    }

    /// The address from which on memory has not been written to since it was given or discarded.
    fn dirty_to(&self) -> usize {
        self.dirty.max(self.window.addr(self.cleared))
    }

    /// Whether the own chunk is one of the chunks, and not before or above them.
    pub(crate) fn is_split_by_own(&self) -> bool {
        self.own.chunk.end != self.start && self.own.chunk.start != self.end
    }

    /// All granules of the arena, those of the own chunk included.
    fn extent(&self) -> Range<usize> {
        let own = &self.own.chunk;
        let start = if own.end == self.start { own.start } else { self.start };
        start..if own.start == self.end { own.end } else { self.end }
    }

    /// Bytes that may be used.
    pub(crate) fn size(&self) -> usize {
        (self.end - self.start) * GRANULE
    }
}

/// Words of bits for the granules `range`, the one before them among them, whose bit is read.
fn words_for(range: Range<usize>) -> Range<usize> {
    (range.start - 1) / WORD..range.end.div_ceil(WORD)
}
