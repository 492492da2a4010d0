//! Checking an arena.

use super::bits::UNIT;
use super::{Arena, Own, units_for};
use crate::bin::BinIndex;
use crate::chunk::ChunkKind;
use crate::config::{Config, Level};
use crate::free_chunk::FreeChunk;
use crate::granule::GRANULE;
use crate::report::{Report, Violation};

impl<C: Config> Arena<C> {
    /// Checks the arena, and adds its counts to a report. Returns how many bytes are marked as cached blocks, in a
    /// checked heap.
    pub(crate) fn check(&self, report: &mut Report) -> Result<usize, Violation> {
        self.check_bounds()?;
        let before = *report;
        let linked = if self.is_blank() { 0 } else { self.check_chunks(report)? };
        self.check_bins(linked)?;
        self.check_own()?;
        self.check_own_canary()?;
        self.check_fresh()?;
        let cached = if C::CHECKED { self.check_blocks(report)? } else { 0 };
        let top = (self.end - self.top) * GRANULE;
        if top > 0 {
            report.count_free(top);
        }
        let free = report.free_bytes - before.free_bytes;
        let own = if self.is_split_by_own() { self.own.chunk.len() * GRANULE } else { 0 };
        report.arenas += 1;
        report.arena_bytes += self.span.size();
        report.top_bytes += top;
        report.used_bytes += self.size() - own - free;
        report.overhead_bytes += self.span.size() - self.size() + own;
        report.high_water_bytes += self.high_water();
        Ok(cached)
    }

    /// Whether `len` granules from an address in the arena on are used. In a checked heap, whether they are a cached
    /// block.
    pub(crate) fn is_cached(&self, addr: usize, len: usize) -> bool {
        let at = self.window.granule(addr);
        self.is_in_use(addr, len)
            && (!C::CHECKED || self.chunk_from(at) == Some((ChunkKind::Cached, at + len)))
    }

    /// Whether `len` granules from an address in the arena on are used.
    pub(crate) fn is_in_use(&self, addr: usize, len: usize) -> bool {
        let at = self.window.granule(addr);
        let range = at..at + len;
        let own = &self.own.chunk;
        addr % GRANULE == 0
            && range.end <= self.top
            && (range.end <= own.start || own.end <= range.start)
            // SAFETY: They lie below the top.
            && unsafe { self.bits.next(range.start, range.end) }.is_none()
    }

    /// Checks invariant I1: `start <= top <= end`, all of them lie in the span, and the bitmap covers them and is
    /// cleared up to the top.
    pub(super) fn check_bounds(&self) -> Result<(), Violation> {
        let units = &self.own.units;
        let ordered = self.start <= self.top && self.top <= self.end;
        let covered = self.is_blank() || {
            let needed = units_for(self.start..self.end);
            units.start <= needed.start
                && needed.end <= units.end
                && (units.start..=needed.start).contains(&self.first_unit)
        };
        let cleared =
            self.is_blank() || self.top <= self.cleared && self.cleared / UNIT <= units.end;
        if ordered && covered && cleared && self.span.contains_span(self.allocatable()) {
            Ok(())
        } else {
            Err(Violation::Bounds { arena: self.span })
        }
    }

    /// Checks invariants I2 to I4 for all free chunks below the top. The bits lead to them. Returns how many have
    /// links.
    fn check_chunks(&self, report: &mut Report) -> Result<usize, Violation> {
        let mut linked = 0;
        let mut at = self.start;
        // SAFETY: All bits below the top have been cleared before they were ever set.
        while let Some(first) = unsafe { self.bits.next(at, self.top) } {
            let chunk = self.check_chunk(first)?;
            linked += usize::from(Self::is_linked(chunk.len()));
            report.count_free(chunk.len() * GRANULE);
            at = chunk.end();
        }
        Ok(linked)
    }

    /// Checks invariants I2 to I4 for the free chunk whose first granule is marked.
    fn check_chunk(&self, at: usize) -> Result<FreeChunk, Violation> {
        let addr = self.window.addr(at);
        // SAFETY: The granule lies below the top, so it can be read. If it is wrongly marked, the checks find that.
        let len = unsafe { self.window.size_at(at) };
        if len == 0 || len > self.top - at {
            return Err(Violation::Size { addr });
        }
        let chunk = FreeChunk::new(at, len);
        // SAFETY: The chunk lies below the top.
        unsafe {
            if self.window.size_before(chunk.end()) != len {
                return Err(Violation::SizesDiffer { addr });
            }
            if !self.bits.get(chunk.end() - 1) {
                return Err(Violation::MarkMissing { addr });
            }
            if let Some(stray) = self.bits.next(at + 1, chunk.end() - 1) {
                return Err(Violation::MarkStray { addr: self.window.addr(stray) });
            }
            if chunk.end() == self.top || self.bits.get(chunk.end()) {
                return Err(Violation::NotCoalesced { addr });
            }
        }
        Ok(chunk)
    }

    /// Checks invariants I5 to I7: the bins hold the `linked` free chunks that have links, and no others.
    fn check_bins(&self, linked: usize) -> Result<(), Violation> {
        let mut left = linked;
        for number in 0..=BinIndex::of_chunk::<C>(usize::MAX).get() {
            let Some(bin) = BinIndex::new::<C>(number) else { break };
            let mut before = number;
            let mut next = self.bins.first(bin);
            if next.is_some() != self.bins.is_mapped(bin) {
                return Err(Violation::Map { bin: number });
            }
            while let Some(at) = next {
                let chunk = self.check_linked(at, bin, before)?;
                // There are more than chunks, so one is in a bin twice.
                left = left.checked_sub(1).ok_or(Violation::BinCount { arena: self.span })?;
                before = at;
                // SAFETY: It is a free chunk with links.
                next = unsafe { self.bins.next(self.window, &chunk) };
            }
        }
        if left == 0 { Ok(()) } else { Err(Violation::BinCount { arena: self.span }) }
    }

    /// Checks invariants I5 and I6 for the granule that a link in a bin leads to.
    fn check_linked(
        &self,
        at: usize,
        bin: BinIndex,
        before: usize,
    ) -> Result<FreeChunk, Violation> {
        let addr = self.window.addr(at);
        let not_in_bin = Err(Violation::NotInBin { addr });
        // SAFETY: The bits below the top have been cleared before (I1). A marked granule is the first or last one of a
        // free chunk. If it is the first, it starts with a size and a link back.
        unsafe {
            if at < self.start || at >= self.top || !self.bits.get(at) {
                return not_in_bin;
            }
            let chunk = self.free_chunk_or(at).ok_or(Violation::NotInBin { addr })?;
            if BinIndex::of_chunk::<C>(chunk.len()) != bin || !Self::is_linked(chunk.len()) {
                return not_in_bin;
            }
            if self.bins.before(self.window, &chunk) != before {
                return Err(Violation::BackLink { addr });
            }
            Ok(chunk)
        }
    }

    /// The free chunk that starts at the marked granule `at`. `None` if the size there is wrong.
    ///
    /// # Safety
    ///
    /// The granule lies below the top and can be read.
    pub(super) unsafe fn free_chunk_or(&self, at: usize) -> Option<FreeChunk> {
        // SAFETY: The granule lies below the top and can be read, by the contract of this function.
        let len = unsafe { self.window.size_at(at) };
        (len > 0 && len <= self.top - at).then(|| FreeChunk::new(at, len))
    }

    /// Checks invariant I11, in a checked heap: blocks cover the memory between the free chunks and the own chunk.
    /// Returns how many bytes are marked as cached blocks.
    fn check_blocks(&self, report: &mut Report) -> Result<usize, Violation> {
        let (mut used, mut cached) = (0, 0);
        let mut at = self.start;
        while at < self.top {
            let misplaced = Violation::BlockMark { addr: self.window.addr(at) };
            let (kind, end) = self.chunk_from(at).ok_or(misplaced)?;
            // SAFETY: The chunk lies below the top.
            let right = unsafe {
                match kind {
                    ChunkKind::Used | ChunkKind::Cached => {
                        self.bits.has_len(at, end - at) && self.bits.has_no_marks(at + 1, end)
                    }
                    _ => self.bits.has_no_blocks(at, end),
                }
            };
            if !right {
                return Err(misplaced);
            }
            match kind {
                ChunkKind::Used => used += 1,
                ChunkKind::Cached => cached += (end - at) * GRANULE,
                _ => {}
            }
            at = end;
        }
        *report.used_blocks.get_or_insert(0) += used;
        Ok(cached)
    }

    /// Checks invariant I8: the own chunk holds the bitmap, and lies below the start, above the end, or is a used
    /// chunk.
    pub(super) fn check_own(&self) -> Result<(), Violation> {
        if self.is_blank() {
            return Ok(());
        }
        let own = &self.own.chunk;
        let room = Own::len::<C>(self.own.control, &self.own.units) <= own.len();
        let within = self.start <= own.start && own.start < own.end && own.end <= self.top;
        // SAFETY: The chunk lies below the top.
        let used = || unsafe { self.bits.next(own.start, own.end) }.is_none();
        let owned = self.span.contains_span(self.span_of(own.clone()));
        if room && owned && (!self.is_split_by_own() || within && used()) {
            Ok(())
        } else {
            Err(Violation::Own { arena: self.span })
        }
    }
}
