//! For tests: inspects an arena, and breaks it.

use core::fmt::Write;
use core::ops::Range;
use std::string::String;

use talloc_span::Span;

use super::Arena;
use crate::bin::BinIndex;
use crate::config::Config;
use crate::granule::Index;

impl<C: Config> Arena<C> {
    /// Describes the arena: its runs of used and free granules, and its top, as in `own 2, used 5, free 3, used 1, top
    /// 90`.
    pub(crate) fn picture(&self) -> String {
        let mut picture = String::new();
        let own = self.own.chunk.len();
        if self.own.chunk.end == self.start {
            write!(picture, "own {own}, ").unwrap();
        }
        let mut at = self.start;
        while at < self.top {
            let (what, end) = if at == self.own.chunk.start {
                ("own", self.own.chunk.end)
            // SAFETY: The granule lies below the top.
            } else if unsafe { self.bits.get(at) } {
                // SAFETY: A free chunk starts at this granule.
                ("free", unsafe { self.free_chunk(at) }.end())
            } else {
                // SAFETY: The granules lie below the top.
                let free = unsafe { self.bits.next(at, self.top) }.unwrap_or(self.top);
                let own = self.own.chunk.start;
                ("used", if at < own { free.min(own) } else { free })
            };
            write!(picture, "{what} {}, ", end - at).unwrap();
            at = end;
        }
        write!(picture, "top {}", self.end - self.top).unwrap();
        if self.is_own_above() {
            write!(picture, ", own {own}").unwrap();
        }
        picture
    }

    pub(crate) fn set_bit(&mut self, at: usize, value: bool) {
        // SAFETY: The tests pass granules below the top.
        unsafe { if value { self.bits.set(at) } else { self.bits.clear(at) } }
    }

    /// Marks granule `at` as the first one of a used block. It must not be an end of a free chunk.
    pub(crate) fn mark_block(&mut self, at: usize) {
        let _ = self.hand_out(at, 1);
    }

    /// Writes to word `index` of granule `at`. A word has the size of a link.
    pub(crate) fn set_word(&mut self, at: usize, index: usize, value: usize) {
        let words = self.window.ptr(at).cast::<C::Index>();
        // SAFETY: The tests pass granules of the arena.
        unsafe { words.add(index).write(C::Index::new(value)) }
    }

    pub(crate) fn set_top(&mut self, top: usize) {
        self.top = top;
    }

    pub(crate) fn top(&self) -> usize {
        self.top
    }

    pub(crate) fn set_end(&mut self, end: usize) {
        self.end = end;
    }

    pub(crate) fn end(&self) -> usize {
        self.end
    }

    pub(crate) fn set_span(&mut self, span: Span) {
        self.span = span;
    }

    pub(crate) fn start(&self) -> usize {
        self.start
    }

    pub(crate) fn set_cleared(&mut self, cleared: usize) {
        self.cleared = cleared;
    }

    /// Returns the units of the bitmap.
    pub(crate) fn units(&self) -> Range<usize> {
        self.own.units.clone()
    }

    pub(crate) fn set_units(&mut self, units: Range<usize>) {
        self.own.units = units;
    }

    pub(crate) fn set_first_unit(&mut self, unit: usize) {
        self.first_unit = unit;
    }

    /// Returns the granules of the own chunk.
    pub(crate) fn own(&self) -> Range<usize> {
        self.own.chunk.clone()
    }

    pub(crate) fn set_own(&mut self, at: usize) {
        self.own.chunk = at..at + self.own.chunk.len();
    }

    /// Flips a bit of the stored length of the block at `at`, which has `len` granules.
    pub(crate) fn flip_len(&mut self, at: usize, len: usize, bit: usize) {
        // SAFETY: The tests pass long blocks of checked heaps.
        unsafe { self.bits.flip_len(at, len, bit) }
    }

    /// Makes `at` the head of the bin for chunks of `len` granules.
    pub(crate) fn set_head(&mut self, len: usize, at: usize) {
        self.bins.set_head(BinIndex::of_chunk::<C>(len), at);
    }

    /// Clears the map's bit of the bin for chunks of `len` granules, which must be set.
    pub(crate) fn unmap_bin(&mut self, len: usize) {
        self.bins.unmap_bin(BinIndex::of_chunk::<C>(len));
    }

    pub(crate) fn map_bin(&mut self, number: usize) {
        self.bins.map_bin(number);
    }
}
