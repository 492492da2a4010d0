//! The checks after every step.

use talloc_core::{ArenaError, Report};

use super::{Check, Driver};
use crate::heap::{GRANULE, Heap};

/// The number of steps between two complete checks.
const PERIOD: usize = 256;

impl<H: Heap> Driver<H> {
    /// Runs all checks after a step. Returns the report before it.
    pub(super) fn settle(&mut self) -> Result<Report, String> {
        self.steps += 1;
        let report = self.heap.verify().map_err(|violation| format!("verify: {violation}"))?;
        let before = std::mem::replace(&mut self.report, report);
        self.check_arenas()?;
        self.check_report()?;
        self.check_statistics()?;
        self.outside.iter().try_for_each(|gap| self.pool.check_ends(*gap))?;
        if self.steps % PERIOD == 0 {
            self.check_memory()?;
        } else if !self.shadow.blocks().is_empty() {
            self.shadow.check(self.steps % self.shadow.blocks().len())?;
        }
        Ok(before)
    }

    /// Checks the contents of all blocks, and the memory outside of the arenas.
    pub(super) fn check_memory(&self) -> Check {
        self.outside.iter().try_for_each(|gap| self.pool.check(*gap))?;
        self.shadow.check_all()
    }

    /// Checks that a refused call has changed nothing.
    ///
    /// It may have flushed the quick lists, and tidied arenas without blocks, which leaves more room for other
    /// requests.
    pub(super) fn check_unchanged(&self, before: &Report) -> Check {
        let after = &self.report;
        // In a checked heap, one more granule of an arena may need two more granules for its bits.
        let slack = GRANULE * (self.limits.bits - 1) * after.arenas;
        let no_less = before.free_bytes <= after.free_bytes + slack
            && before.largest_free_bytes <= after.largest_free_bytes + slack;
        if no_less && before.used_bytes == after.used_bytes {
            Ok(())
        } else {
            Err(format!("a refused call changed {before:?} to {after:?}"))
        }
    }

    /// Returns whether the heap may refuse an arena with this error, as far as the driver knows.
    ///
    /// The heap's first arena may have been at one end of the pool, and the new one at the other.
    pub(super) fn may_refuse(&self, error: ArenaError) -> bool {
        error == ArenaError::TooFar && self.pool.span().size() > self.limits.window / 4
    }

    fn check_arenas(&mut self) -> Check {
        let arenas = self.heap.arenas();
        if arenas != self.arenas {
            return Err(format!("the arenas are {arenas:?}, not {:?}", self.arenas));
        }
        let first = self.heap.get_arena();
        if first.is_sized() && !arenas.contains(&first) {
            return Err(format!("the first arena is {first}, none of {arenas:?}"));
        }
        let allocatable = self.heap.get_allocatable_span();
        if !first.contains_span(allocatable) {
            return Err(format!("the first arena is {first}, allocatable is {allocatable}"));
        }
        let live = self.shadow.live_span(first);
        if !allocatable.contains_span(live) {
            return Err(format!("allocatable is {allocatable}, but a block lies in {live}"));
        }
        Ok(())
    }

    fn check_report(&self) -> Check {
        let report = &self.report;
        let given: usize = self.arenas.iter().map(|arena| arena.size()).sum();
        let taken = self.shadow.used_bytes();
        let live = self.shadow.blocks().len();
        let wrong = if report.arena_bytes != given {
            format!("the arenas are {given} bytes")
        } else if report.arenas != self.arenas.len() {
            format!("there are {} arenas", self.arenas.len())
        } else if report.used_blocks.is_some_and(|blocks| blocks != live) {
            format!("{live} blocks are live")
        } else if report.used_bytes != taken {
            format!("the live blocks take {taken} bytes")
        } else if report.used_bytes + report.free_bytes + report.overhead_bytes != given {
            format!("used, free and overhead do not add up to {given} bytes")
        } else if report.largest_free_bytes.max(report.top_bytes) > report.free_bytes
            || report.cached_bytes > report.free_bytes
        {
            "a part of the free memory is more than all of it".into()
        } else if report.free_chunks > live + report.cached_blocks + 2 * report.arenas {
            format!("there are two adjacent free chunks, as only {live} blocks are live")
        } else if report.high_water_bytes < report.used_bytes {
            "more is used than ever was".into()
        } else {
            return Ok(());
        };
        Err(format!("{wrong}: {report:?}"))
    }

    /// Checks that the heap's statistics agree with a complete inspection.
    fn check_statistics(&self) -> Check {
        let (heap, report) = (self.heap.talloc(), &self.report);
        let counted = self.heap.statistics();
        let pairs = [
            ("used", counted.used_bytes, report.used_bytes),
            ("free", counted.free_bytes, report.free_bytes),
            ("cached", counted.cached_bytes, report.cached_bytes),
            ("top", counted.top_bytes, report.top_bytes),
            ("overhead", counted.overhead_bytes, report.overhead_bytes),
            ("arenas", counted.arenas, report.arenas),
            ("bytes of the arenas", counted.arena_bytes, report.arena_bytes),
        ];
        if let Some((name, counted, found)) = pairs.into_iter().find(|(_, a, b)| a != b) {
            return Err(format!("{name}: {counted} are counted, and {found} are there"));
        }
        if counted.peak_bytes < counted.used_bytes + counted.cached_bytes {
            return Err(format!("more is in use than ever was: {counted:?}"));
        }
        let largest = heap.inspect().largest_free_bytes();
        // A free chunk may be too small for a block.
        if largest.max(GRANULE) != report.largest_free_bytes.max(GRANULE) {
            return Err(format!("the largest free chunk has {largest} bytes: {report:?}"));
        }
        if self.steps % PERIOD != 0 {
            return Ok(());
        }
        let found = heap.inspect().size_classes().total();
        let blocks = report.used_blocks.unwrap_or(0);
        let is_right = (found.free_chunks, found.free_bytes)
            == (report.free_chunks, report.free_bytes - report.cached_bytes)
            && (found.cached_blocks, found.cached_bytes)
                == (report.cached_blocks, report.cached_bytes)
            && found.used_blocks == blocks
            && (blocks == 0 || found.used_bytes == report.used_bytes);
        if is_right { Ok(()) } else { Err(format!("by size, there are {found:?}: {report:?}")) }
    }
}
