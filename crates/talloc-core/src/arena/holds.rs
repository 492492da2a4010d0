//! Conditions that functions assert before and after they change an arena.
//!
//! These are the parts of the invariants that can be seen in constant time; see the table in the library's
//! documentation. They are called in `debug_assert!` only. [`check`](Arena::check) is the full check.

use talloc_span::Align;

use super::Arena;
use super::bits::Mark;
use crate::config::{Config, Level};
use crate::free_chunk::FreeChunk;

impl<C: Config> Arena<C> {
    /// I1: the bounds are in order and in the span, and the bitmap covers them.
    pub(super) fn is_bounded(&self) -> bool {
        self.check_bounds().is_ok()
    }

    /// Whether there are granules, and they lie between the start and the top.
    pub(super) fn is_below_top(&self, at: usize, len: usize) -> bool {
        len > 0 && self.start <= at && at <= self.top && len <= self.top - at
    }

    /// Whether granules lie below the top, and neither the first nor the last one is an end of a free chunk.
    pub(super) fn is_used(&self, at: usize, len: usize) -> bool {
        // SAFETY: The bits below the top have been cleared before (I1).
        self.is_below_top(at, len) && unsafe { !self.bits.get(at) && !self.bits.get(at + len - 1) }
    }

    /// Whether a granule's address is a multiple of an alignment.
    pub(super) fn is_aligned(&self, at: usize, align: Align) -> bool {
        align.padding(self.window.addr(at)) == 0
    }

    /// Whether a used chunk may end before `end`.
    pub(super) fn is_used_before(&self, end: usize) -> bool {
        end > self.start && self.is_used(end - 1, 1)
    }

    /// I3 and I4, in part: both ends of a chunk are marked, and it ends below the top.
    pub(super) fn is_marked(&self, chunk: &FreeChunk) -> bool {
        self.is_below_top(chunk.at(), chunk.len())
            && chunk.end() < self.top
            // SAFETY: The bits below the top have been cleared before (I1).
            && unsafe { self.bits.get(chunk.at()) && self.bits.get(chunk.end() - 1) }
    }

    /// I2 to I4: granules are a free chunk, with its size and its marks at both ends, and its neighbours are
    /// used.
    pub(super) fn is_free_chunk(&self, at: usize, len: usize) -> bool {
        // SAFETY: The bits below the top and that of the granule before the start have been cleared before
        // (I1). A chunk whose ends are marked is free, and has its size at both ends (I2).
        self.is_below_top(at, len)
            && self.is_marked(&FreeChunk::new(at, len))
            && unsafe {
                self.window.size_at(at) == len
                    && self.window.size_before(at + len) == len
                    && !self.bits.get(at - 1)
                    && !self.bits.get(at + len)
            }
    }

    /// I11, in part: whether granule `at` of a checked heap has one of these marks. True in all other heaps.
    pub(super) fn has_mark(&self, at: usize, marks: &[Mark]) -> bool {
        // SAFETY: The bits below the top have been cleared before (I1).
        !C::CHECKED || self.is_below_top(at, 1) && marks.contains(&unsafe { self.bits.mark(at) })
    }
}
