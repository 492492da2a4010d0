//! Verification of the heap.

use talloc_sync::{Report, Span, Violation};

use super::bits::SPAN;
use super::memory::{GRANULE, WORD, load, load_byte};
use super::{Linear, LinearMemory};

impl<M: LinearMemory, const BINS: usize, const SPLIT: u32, const QUICK: usize>
    Linear<M, BINS, SPLIT, QUICK>
{
    /// Checks every invariant, and counts chunks and bytes.
    ///
    /// # Errors
    ///
    /// The first violation that is found. It has the name of the corresponding invariant of `talloc-core`.
    pub(crate) fn verify(&self) -> Result<Report, Violation> {
        let mut report = Report::default();
        if self.acme == 0 {
            return Ok(report);
        }
        self.check_bounds()?;
        let linked = self.check_chunks(&mut report)?;
        self.check_bins(linked)?;
        self.check_quick(&mut report)?;
        report.arenas = 1;
        report.arena_bytes = self.owned;
        report.top_bytes = self.end - self.top;
        if report.top_bytes > 0 {
            count(&mut report, self.end - self.top);
        }
        report.overhead_bytes = self.acme - self.end + Self::ROOTS;
        report.used_bytes = self.owned - report.overhead_bytes - report.free_bytes;
        report.high_water_bytes = self.owned - (self.end - self.fresh.clamp(self.top, self.end));
        let is_counted = !Self::COUNTS || self.used == report.used_bytes + report.cached_bytes;
        if is_counted { Ok(report) } else { Err(Violation::UsedCount) }
    }

    fn span(&self) -> Span {
        Span::try_from_base_size(self.base, self.acme - self.base).unwrap_or(Span::empty())
    }

    fn check_bounds(&self) -> Result<(), Violation> {
        let ordered = self.base <= self.top && self.top <= self.end && self.end <= self.acme;
        let covered = (self.acme - self.base) / SPAN < self.acme - self.end;
        if ordered && covered { Ok(()) } else { Err(Violation::Bounds { arena: self.span() }) }
    }

    /// Checks all free chunks below the top, which it finds by their bits. Returns the number of chunks with links.
    fn check_chunks(&self, report: &mut Report) -> Result<usize, Violation> {
        let mut linked = 0;
        let mut at = self.base;
        while let Some(first) = self.next_edge(at, self.acme) {
            let len = self.check_chunk(first)?;
            linked += usize::from(len > GRANULE);
            count(report, len);
            at = first + len;
        }
        Ok(linked)
    }

    /// Returns the first granule in `at..end` whose bit is set.
    pub(super) fn next_edge(&self, mut at: usize, end: usize) -> Option<usize> {
        while at < end {
            // SAFETY: The bitmap covers the granule (L1).
            unsafe {
                if self.is_edge(at) {
                    return Some(at);
                }
                // Skip whole bytes of zeros, which are frequent.
                let is_clear = at % SPAN == 0 && load_byte(self.bits.wrapping_add(at / SPAN)) == 0;
                at += if is_clear { SPAN } else { GRANULE };
            }
        }
        None
    }

    /// Checks the free chunk whose first granule is marked. Returns its size.
    fn check_chunk(&self, addr: usize) -> Result<usize, Violation> {
        if addr >= self.top {
            return Err(Violation::MarkStray { addr });
        }
        // SAFETY: The word is memory of the heap below the top.
        let len = unsafe { load(addr) };
        if len == 0 || len % GRANULE != 0 || len > self.top - addr {
            return Err(Violation::Size { addr });
        }
        let end = addr + len;
        // SAFETY: The chunk lies below the top, so the bitmap covers it.
        unsafe {
            if load(end - WORD) != len {
                return Err(Violation::SizesDiffer { addr });
            }
            if !self.is_edge(end - GRANULE) {
                return Err(Violation::MarkMissing { addr });
            }
            if let Some(addr) = self.next_edge(addr + GRANULE, end - GRANULE) {
                return Err(Violation::MarkStray { addr });
            }
            if end == self.top || self.is_edge(end) {
                return Err(Violation::NotCoalesced { addr });
            }
        }
        Ok(len)
    }

    /// Checks that the quick lists hold used blocks below the top, and as many bytes as they count.
    fn check_quick(&self, report: &mut Report) -> Result<(), Violation> {
        for granules in 0..QUICK {
            let (mut block, len) = (self.quick.first(granules), granules * GRANULE);
            while block != 0 {
                let within = self.base <= block && block < self.top && block % GRANULE == 0;
                if !within || self.top - block < len || self.next_edge(block, block + len).is_some()
                {
                    return Err(Violation::CachedBlock { addr: block });
                }
                report.cached_blocks += 1;
                report.cached_bytes += len;
                report.free_bytes += len;
                if report.cached_bytes > self.quick.cached() {
                    return Err(Violation::CachedCount);
                }
                // SAFETY: The block lies in the heap's memory.
                block = unsafe { load(block) };
            }
        }
        let counted = report.cached_bytes == self.quick.cached();
        if counted { Ok(()) } else { Err(Violation::CachedCount) }
    }

    /// Checks that the bins hold exactly the `linked` free chunks that have links.
    fn check_bins(&self, linked: usize) -> Result<(), Violation> {
        let mut left = linked;
        for bin in 0..BINS {
            let root = self.root(bin);
            let mut before = root;
            // SAFETY: The roots have links.
            let mut chunk = unsafe { Self::next(root) };
            if (chunk != root) != (self.map >> bin & 1 != 0) {
                return Err(Violation::Map { bin });
            }
            while chunk != root {
                let within = self.base <= chunk && chunk < self.top && chunk % GRANULE == 0;
                // SAFETY: The chunk is memory of the heap that the bitmap covers. A marked chunk has a size.
                unsafe {
                    if !within || !self.is_edge(chunk) || Self::bin_of(load(chunk)) != bin {
                        return Err(Violation::NotInBin { addr: chunk });
                    }
                    if Self::prev(chunk) != before {
                        return Err(Violation::BackLink { addr: chunk });
                    }
                    left = left.checked_sub(1).ok_or(Violation::BinCount { arena: self.span() })?;
                    (before, chunk) = (chunk, Self::next(chunk));
                }
            }
        }
        if left == 0 { Ok(()) } else { Err(Violation::BinCount { arena: self.span() }) }
    }
}

/// Counts a free chunk.
fn count(report: &mut Report, bytes: usize) {
    report.free_chunks += 1;
    report.free_bytes += bytes;
    report.largest_free_bytes = report.largest_free_bytes.max(bytes);
}
