//! Spans that must be refused.

use talloc_core::{ArenaError, Memory, Span};

use super::arenas::Expect;
use super::{Check, Driver};
use crate::heap::Heap;
use crate::ops::{Pick, Wrong};
use crate::trace::Call;

impl<H: Heap> Driver<H> {
    /// Passes a span that is wrong, if there are the arenas for that.
    pub(super) fn refuse(&mut self, wrong: Wrong, pick: Pick, size: usize) -> Check {
        let arena = pick.of(self.arenas.len()).map(|index| self.arenas[index]);
        let first = self.heap.get_arena();
        match (wrong, arena) {
            (Wrong::InitNull, _) => self.refuse_init(Span::new(0, size)),
            (Wrong::ClaimNull, _) => self.refuse_claim(Span::new(0, size)),
            (Wrong::ClaimPart, Some(arena)) => {
                self.refuse_claim(arena.truncate(0, arena.size().saturating_sub(size)))
            }
            (Wrong::ClaimOverlap, Some(arena)) => {
                let last = arena.truncate(arena.size() - 1, 0);
                self.refuse_claim(last.extend(0, size))
            }
            (Wrong::ExtendOverlap, Some(arena)) if first.is_sized() && arena != first => {
                self.refuse_extend(first, first.fit_over(arena))
            }
            (Wrong::ExtendToLess, _) if first.is_sized() => {
                self.refuse_extend(first, first.truncate(1, 0))
            }
            (Wrong::TruncateToMore, _) if first.is_sized() => {
                self.refuse_truncate(first, first.extend(0, size))
            }
            (Wrong::ExtendArenaToLess, Some(arena)) => {
                self.refuse_extend_arena(arena, arena.truncate(0, 1))
            }
            (Wrong::TruncateArenaToMore, Some(arena)) => {
                self.refuse_truncate_arena(arena, arena.extend(size, 0))
            }
            (Wrong::ExtendNoArena, Some(arena)) => {
                self.refuse_extend_arena(arena.extend(0, 1), arena.extend(0, 1 + size))
            }
            (Wrong::TruncateNoArena, Some(arena)) => {
                self.refuse_truncate_arena(arena.extend(0, 1), arena)
            }
            (Wrong::ReleaseNoArena, Some(arena)) => self.refuse_release(arena.extend(0, 1)),
            _ => Ok(()),
        }
    }

    fn refuse_init(&mut self, new: Span) -> Check {
        self.trace.begin(Call::Init(self.place(new)));
        // SAFETY: Such a span is promised to be refused.
        let result = unsafe { self.heap.try_init(new) };
        self.must_refuse(result, new)
    }

    fn refuse_claim(&mut self, new: Span) -> Check {
        self.trace.begin(Call::Claim(self.place(new), Memory::empty()));
        // SAFETY: Such a span is promised to be refused.
        let result = unsafe { self.heap.claim_as(new, Memory::empty()) };
        self.must_refuse(result, new)
    }

    fn refuse_extend(&mut self, first: Span, new: Span) -> Check {
        self.trace.begin(Call::Extend(self.place(new)));
        // SAFETY: Such a span is promised to be refused.
        let result = unsafe { self.heap.try_extend(new) };
        self.must_refuse(result, first)
    }

    fn refuse_truncate(&mut self, first: Span, new: Span) -> Check {
        self.trace.begin(Call::Truncate(self.place(new)));
        let result = self.heap.try_truncate(new);
        self.must_refuse(result, first)
    }

    fn refuse_extend_arena(&mut self, old: Span, new: Span) -> Check {
        let memory = Memory::empty();
        self.trace.begin(Call::ExtendArena(self.place(old), self.place(new), memory));
        // SAFETY: Such a span is promised to be refused.
        let result = unsafe { self.heap.extend_arena_as(old, new, memory) };
        self.must_refuse(result, old)
    }

    fn refuse_truncate_arena(&mut self, old: Span, new: Span) -> Check {
        self.trace.begin(Call::TruncateArena(self.place(old), self.place(new)));
        let result = self.heap.truncate_arena(old, new);
        self.must_refuse(result, old)
    }

    fn refuse_release(&mut self, old: Span) -> Check {
        self.trace.begin(Call::Release(self.place(old)));
        let result = self.heap.release_arena(old);
        self.must_refuse(result, old)
    }

    fn must_refuse(&mut self, result: Result<(), ArenaError>, span: Span) -> Check {
        self.reshaped(result, span, span, Expect::Refused)
    }
}
