//! Merging arenas.

use std::alloc::Layout;

use talloc_core::{ArenaError, Memory, Span};

use super::{Check, Driver};
use crate::heap::Heap;
use crate::ops::Pick;
use crate::trace::{Call, Outcome};

/// Any two arenas can be merged if there is a free chunk of this size plus the size of their bitmap.
const OWN: usize = 4096;

impl<H: Heap> Driver<H> {
    /// Merges an arena with the next one above. If `extend`, first extends it up to that one.
    pub(super) fn merge(&mut self, pick: Pick, extend: bool) -> Check {
        let Some(index) = pick.of(self.arenas.len().saturating_sub(1)) else { return Ok(()) };
        if extend {
            self.extend_arena(index, 0, self.pool.span().size(), Memory::RECLAIMABLE)?;
        }
        let (lower, upper) = (self.arenas[index], self.arenas[index + 1]);
        self.trace.begin(Call::Merge(self.place(lower), self.place(upper)));
        // SAFETY: The pointer of the pool is valid for all of it.
        match unsafe { self.heap.merge_arenas(lower, upper) } {
            Ok(()) => self.merged(lower, upper),
            Err(error) => self.not_merged(lower, upper, error),
        }
    }

    fn merged(&mut self, lower: Span, upper: Span) -> Check {
        self.trace.end(Outcome::Done);
        if lower.acme() != upper.base() {
            return Err(format!("merged {lower} and {upper}, which do not touch"));
        }
        let mut arenas = self.arenas.clone();
        arenas.retain(|arena| *arena != lower && *arena != upper);
        arenas.push(lower.fit_over(upper));
        self.rearrange(arenas)?;
        self.settle().map(drop)
    }

    /// Checks that the heap had a reason not to merge arenas.
    fn not_merged(&mut self, lower: Span, upper: Span, error: ArenaError) -> Check {
        self.trace.end(Outcome::Refused);
        let before = self.settle()?;
        self.check_unchanged(&before)?;
        let touch = lower.acme() == upper.base();
        let rightly = match error {
            ArenaError::NotAdjacent => !touch,
            ArenaError::InUse => touch && !self.has_room_for_own(lower.fit_over(upper)),
            error => touch && self.may_refuse(error),
        };
        if rightly { Ok(()) } else { Err(format!("refused to merge {lower} and {upper}: {error}")) }
    }

    /// Returns whether a larger bitmap certainly fits. With several arenas, the free memory may be in others.
    fn has_room_for_own(&self, both: Span) -> bool {
        let bitmap = self.limits.bitmap(both.size()) + OWN;
        let layout = Layout::from_size_align(bitmap, 8).expect("a pool is not that large");
        self.arenas.len() == 2 && self.limits.surely_fits(&self.report, layout)
    }
}
