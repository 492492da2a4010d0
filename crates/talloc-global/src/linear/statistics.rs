//! Statistics of the heap.

use talloc_sync::Statistics;

use super::{Linear, LinearMemory};

/// Counters. Heaps without quick lists have none, because such heaps are meant to have small code.
impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    pub(super) const COUNTS: bool = QUICK > 0;

    /// Counts bytes that come into use.
    #[inline(always)]
    pub(super) fn count_taken(&mut self, bytes: usize) {
        if Self::COUNTS {
            self.used += bytes;
        }
    }

    /// Counts bytes that go out of use.
    #[inline(always)]
    pub(super) fn count_freed(&mut self, bytes: usize) {
        if Self::COUNTS {
            self.peak = self.peak.max(self.used);
            self.used -= bytes;
        }
    }

    /// Counts a request that fails.
    #[inline(always)]
    pub(super) fn count_refused(&mut self) {
        if Self::COUNTS {
            self.refused = self.refused.wrapping_add(1);
        }
    }
}

impl<M: LinearMemory, const BINS: usize, const SPLIT: u32, const QUICK: usize>
    Linear<M, BINS, SPLIT, QUICK>
{
    /// Returns the counters, in constant time. Without [`COUNTS`](Self::COUNTS), counts all chunks instead.
    pub(crate) fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::default();
        statistics.heaps = 1;
        statistics.refused_requests = self.refused;
        if self.acme == 0 {
            return statistics;
        }
        statistics.arenas = 1;
        statistics.arena_bytes = self.owned;
        statistics.overhead_bytes = self.acme - self.end + Self::ROOTS;
        statistics.top_bytes = self.end - self.top;
        statistics.touched_bytes = self.owned - (self.end - self.fresh.clamp(self.top, self.end));
        if Self::COUNTS {
            statistics.used_bytes = self.used;
            statistics.peak_bytes = self.peak.max(self.used);
        } else {
            // For a corrupt heap, report no bytes in use.
            let used = self.verify().map_or(0, |report| report.used_bytes);
            statistics.used_bytes = used;
            statistics.peak_bytes = statistics.touched_bytes - statistics.overhead_bytes;
        }
        statistics.free_bytes = self.owned - statistics.overhead_bytes - statistics.used_bytes;
        statistics.with_cached(self.quick.cached())
    }
}
