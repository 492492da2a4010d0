//! Operations on arenas: claim, extend, truncate and release.

use talloc_core::{ArenaError, Memory, Span};

use super::{Check, Driver, without};
use crate::heap::Heap;
use crate::ops::Pick;
use crate::trace::{Call, Outcome, Place};

/// Any span of this size can be an arena.
const AMPLE: usize = 4096;

/// The expected result of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Accepted,
    Refused,
    Either,
}

impl<H: Heap> Driver<H> {
    /// Initialises the heap again, with an arena at a random place in the pool.
    pub(super) fn init_at(&mut self, at: Pick, size: usize) -> Check {
        let span = self.pool.span();
        let base = span.truncate(at.of(span.size()).unwrap_or(0), 0);
        self.init(base.truncate(0, base.size().saturating_sub(size)))
    }

    pub(super) fn init(&mut self, new: Span) -> Check {
        self.trace.begin(Call::Init(self.place(new)));
        // SAFETY: Only the heap uses the pool, and all blocks are forgotten.
        match unsafe { self.heap.try_init(new) } {
            Ok(()) => {
                self.trace.end(Outcome::Done);
                self.shadow.clear();
                self.rearrange(Vec::from_iter(new.is_sized().then_some(new)))?;
                self.settle()?;
                self.check_first(new)
            }
            Err(error) => self.refused_span(error, Expect::Accepted),
        }
    }

    pub(super) fn extend(&mut self, low: usize, high: usize) -> Check {
        let old = self.heap.get_arena();
        let new = if old.is_empty() {
            let gap = self.gaps().pop().unwrap_or_default();
            gap.truncate(low, gap.size().saturating_sub(2 * low + high))
        } else {
            old.extend(low, high).fit_within(self.room(old))
        };
        self.trace.begin(Call::Extend(self.place(new)));
        // SAFETY: The new part is in the pool, and not in an arena.
        let result = unsafe { self.heap.try_extend(new) };
        self.reshaped(result, old, new, Expect::Accepted)?;
        if result.is_ok() { self.check_first(new) } else { Ok(()) }
    }

    /// Truncates the first arena by `low` and `high` bytes.
    pub(super) fn truncate(&mut self, low: usize, high: usize) -> Check {
        let old = self.heap.get_arena();
        self.truncate_to(old, old.truncate(low, high), Expect::Either)
    }

    /// Truncates the first arena to its allocated span, plus `low` and `high` bytes.
    pub(super) fn tighten(&mut self, low: usize, high: usize) -> Check {
        let old = self.heap.get_arena();
        let allocated = self.allocated_span(old)?;
        let new = allocated.try_extend(low, high).unwrap_or(allocated).fit_within(old);
        self.truncate_to(old, new, Expect::Accepted)
    }

    pub(super) fn claim(&mut self, gap: Pick, at: Pick, size: usize, memory: Memory) -> Check {
        let gaps = self.gaps();
        let Some(gap) = gap.of(gaps.len()).map(|index| gaps[index]) else { return Ok(()) };
        if self.arenas.len() >= self.setup.max_arenas {
            return Ok(());
        }
        // Spans beyond the reach of links would become several arenas. The tests of the core cover that.
        let rest = gap.size().saturating_sub(size.min(self.limits.reach()));
        let low = place_in(at, rest);
        let new = gap.truncate(low, rest - low);
        self.prepare_memory(Span::empty(), new, memory);
        self.trace.begin(Call::Claim(self.place(new), memory));
        let expect = if new.size() >= AMPLE { Expect::Accepted } else { Expect::Either };
        // SAFETY: The span is in the pool, and not in an arena.
        let result = unsafe { self.heap.claim_as(new, memory) };
        self.restore_memory(result.is_err(), memory);
        self.reshaped(result, Span::empty(), new, expect)
    }

    pub(super) fn extend_arena(
        &mut self,
        index: usize,
        low: usize,
        high: usize,
        memory: Memory,
    ) -> Check {
        let old = self.arenas[index];
        if high % 2 == 1 {
            return self.raise_arena(old, high, memory);
        }
        let new = old.extend(low, high).fit_within(self.room(old));
        self.prepare_memory(old, new, memory);
        self.trace.begin(Call::ExtendArena(self.place(old), self.place(new), memory));
        // SAFETY: The new part is in the pool, and not in an arena.
        let result = unsafe { self.heap.extend_arena_as(old, new, memory) };
        self.restore_memory(result.is_err(), memory);
        self.reshaped(result, old, new, Expect::Accepted)
    }

    /// Extends an arena upwards. There may be no room for a larger bitmap.
    fn raise_arena(&mut self, old: Span, high: usize, memory: Memory) -> Check {
        let new = old.extend(0, high).fit_within(self.room(old));
        self.prepare_memory(old, new, memory);
        self.trace.begin(Call::RaiseArena(self.place(old), self.place(new), memory));
        // SAFETY: The new part is in the pool, and not in an arena.
        let result = unsafe { self.heap.raise_arena(old, new.size() - old.size(), memory) };
        self.restore_memory(result.is_err(), memory);
        self.reshaped(result, old, new, Expect::Either)
    }

    pub(super) fn truncate_arena(&mut self, index: usize, low: usize, high: usize) -> Check {
        let old = self.arenas[index];
        let new = old.truncate(low, high);
        self.trace.begin(Call::TruncateArena(self.place(old), self.place(new)));
        let result = self.heap.truncate_arena(old, new);
        self.reshaped(result, old, new, Expect::Either)?;
        self.check_truncated(result, old, new)
    }

    pub(super) fn release(&mut self, index: usize) -> Check {
        let old = self.arenas[index];
        let free = self.shadow.live_span(old).is_empty();
        self.trace.begin(Call::Release(self.place(old)));
        let result = self.heap.release_arena(old);
        let expect = if free { Expect::Accepted } else { Expect::Refused };
        self.reshaped(result, old, Span::empty(), expect)
    }

    /// Truncates the first arena.
    fn truncate_to(&mut self, old: Span, new: Span, expect: Expect) -> Check {
        self.trace.begin(Call::Truncate(self.place(new)));
        let result = self.heap.try_truncate(new);
        self.reshaped(result, old, new, expect)?;
        self.check_truncated(result, old, new)?;
        if result.is_ok() { self.check_first(new) } else { Ok(()) }
    }

    /// Checks that a truncation was refused only if it would have cut off blocks, or left too little for an arena.
    fn check_truncated(&mut self, result: Result<(), ArenaError>, old: Span, new: Span) -> Check {
        if result.is_ok() {
            return Ok(());
        }
        let allocated = self.allocated_span(old)?;
        let enough = if allocated.is_empty() { new.size() >= AMPLE } else { true };
        if enough && new.contains_span(allocated) {
            return Err(format!("refused {new}, which contains the allocated span {allocated}"));
        }
        Ok(())
    }

    /// Returns the allocated span of an arena.
    fn allocated_span(&mut self, arena: Span) -> Result<Span, String> {
        self.trace.begin(Call::AllocatedSpanOf(self.place(arena)));
        let allocated = self.heap.allocated_span_of(arena);
        self.trace.end(Outcome::Done);
        let before = self.settle()?;
        self.check_unchanged(&before)?;
        let allocated = allocated.map_err(|error| format!("no allocated span: {error}"))?;
        if arena == self.heap.get_arena() && allocated != self.heap.get_allocated_span() {
            return Err(format!("the first arena has two allocated spans, one is {allocated}"));
        }
        let live = self.shadow.live_span(arena);
        if arena.contains_span(allocated)
            && allocated.contains_span(live)
            && live.is_empty() == allocated.is_empty()
        {
            Ok(allocated)
        } else {
            Err(format!("the allocated span of {arena} is {allocated}, the blocks lie in {live}"))
        }
    }

    /// Checks and records the result of a change of an arena.
    pub(super) fn reshaped(
        &mut self,
        result: Result<(), ArenaError>,
        old: Span,
        new: Span,
        expect: Expect,
    ) -> Check {
        if let Err(error) = result {
            return self.refused_span(error, expect);
        }
        self.trace.end(Outcome::Done);
        if expect == Expect::Refused {
            return Err(format!("accepted {new} for {old}"));
        }
        let mut arenas = self.arenas.clone();
        arenas.retain(|arena| *arena != old);
        arenas.extend(new.is_sized().then_some(new));
        self.rearrange(arenas)?;
        self.settle().map(drop)
    }

    /// Clears the memory that `new` adds to `old`, if it must be zero.
    fn prepare_memory(&self, old: Span, new: Span, memory: Memory) {
        if memory.contains(Memory::ZEROED) {
            without(new, &[old]).iter().for_each(|part| self.pool.clear(*part));
        }
    }

    /// Restores the canaries outside of the arenas if the memory was cleared in vain.
    fn restore_memory(&self, in_vain: bool, memory: Memory) {
        if in_vain && memory.contains(Memory::ZEROED) {
            self.outside.iter().for_each(|part| self.pool.restore(*part));
        }
    }

    fn refused_span(&mut self, error: ArenaError, expect: Expect) -> Check {
        self.trace.end(Outcome::Refused);
        let before = self.settle()?;
        if expect == Expect::Accepted && !self.may_refuse(error) {
            return Err(format!("refused a good span: {error}"));
        }
        self.check_unchanged(&before)
    }

    fn check_first(&self, expected: Span) -> Check {
        let first = self.heap.get_arena();
        if first == expected {
            Ok(())
        } else {
            Err(format!("the first arena is {first}, not {expected}"))
        }
    }

    pub(super) fn place(&self, span: Span) -> Place {
        Place::of(span, &self.pool)
    }
}

/// Returns the offset in a gap at which to claim an arena that leaves `rest` bytes of the gap.
///
/// Every fourth arena touches the one below or above, so that they can be merged.
fn place_in(at: Pick, rest: usize) -> usize {
    match at.0 {
        0..=31 => 0,
        224.. => rest,
        _ => at.of(rest).unwrap_or(0),
    }
}
