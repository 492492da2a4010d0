//! The checks after every step, even while calls are interrupted.

use talloc_core::Report;

use super::driver::{Check, Driver};
use super::heaps::SyncHeap;
use crate::driver::without;

/// The number of steps between two complete checks.
const PERIOD: usize = 64;

impl<H: SyncHeap + 'static> Driver<H> {
    /// Returns the heap's report.
    pub(super) fn report(&self) -> Result<Report, String> {
        self.alone(|heap| heap.verify()).map_err(|violation| format!("verify: {violation}"))
    }

    /// Checks the heap after a step.
    pub(super) fn settle(&self) -> Check {
        let report = self.report()?;
        self.check_arenas(&report)?;
        self.check_used(&report)?;
        let state = self.state.borrow();
        if state.steps % PERIOD == 0 {
            drop(state);
            return self.check_memory();
        }
        let pool = &self.pieces.pool;
        let outside = without(pool.whole(), &self.pieces.given());
        outside.iter().try_for_each(|gap| pool.check_ends(*gap))?;
        match state.shadow.blocks().len() {
            0 => Ok(()),
            blocks => state.shadow.check(state.steps % blocks),
        }
    }

    /// Checks the contents of all blocks that no call uses, and the memory outside of arenas that is not about to
    /// become one.
    pub(super) fn check_memory(&self) -> Check {
        let pool = &self.pieces.pool;
        without(pool.whole(), &self.pieces.given()).iter().try_for_each(|gap| pool.check(*gap))?;
        self.state.borrow().shadow.check_all()
    }

    fn check_arenas(&self, report: &Report) -> Check {
        let mut arenas = self.heap.arenas();
        arenas.sort_by_key(|arena| arena.base());
        let given = self.pieces.given();
        if arenas != given {
            return Err(format!("the arenas are {arenas:?}, not {given:?}"));
        }
        let bytes: usize = given.iter().map(|arena| arena.size()).sum();
        let counted = report.used_bytes + report.free_bytes + report.overhead_bytes;
        if report.arena_bytes != bytes || counted != bytes {
            return Err(format!("the arenas are {bytes} bytes: {report:?}"));
        }
        Ok(())
    }

    /// Checks that the heap's count agrees with the blocks and the calls in progress.
    fn check_used(&self, report: &Report) -> Check {
        let state = self.state.borrow();
        let least = state.shadow.used_bytes();
        let cached = if state.calls.is_empty() { 0 } else { self.alone(H::most_cached) };
        let most = least + cached + state.calls.iter().map(|call| call.bytes).sum::<usize>();
        if (least..=most).contains(&report.used_bytes) {
            Ok(())
        } else {
            Err(format!("the live blocks take {least} to {most} bytes: {report:?}"))
        }
    }
}
