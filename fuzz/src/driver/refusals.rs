//! Spans that the heap must refuse with the right error.

use talloc_core::{ArenaError, Memory, Span};

use super::arenas::Expect;
use super::{Check, Driver};
use crate::heap::Heap;
use crate::ops::{Pick, Wrong};
use crate::trace::Call;

use ArenaError::{
    NoSuchArena, NotAdjacent, NotExtended, NotTruncated, Null, Overlap, TooFar, TooSmall,
};

impl<H: Heap> Driver<H> {
    /// Passes a wrong span, if there are suitable arenas.
    pub(super) fn refuse(&mut self, wrong: Wrong, pick: Pick, size: usize) -> Check {
        match wrong {
            Wrong::InitNull => self.refuse_init(Span::new(0, size)),
            Wrong::ClaimNull => self.refuse_claim(Span::new(0, size), Null),
            Wrong::ClaimFar => self.refuse_far(),
            Wrong::ClaimTiny => self.refuse_tiny(pick, size),
            Wrong::ExtendOverlap
            | Wrong::ExtendNull
            | Wrong::ExtendFar
            | Wrong::ExtendToLess
            | Wrong::TruncateToMore => self.refuse_first(wrong, pick, size),
            _ => match pick.of(self.arenas.len()) {
                Some(index) => self.refuse_any(wrong, self.arenas[index], size),
                None => Ok(()),
            },
        }
    }

    /// Passes a span that is wrong for the first arena.
    fn refuse_first(&mut self, wrong: Wrong, pick: Pick, size: usize) -> Check {
        let first = self.heap.get_arena();
        if first.is_empty() {
            return Ok(());
        }
        let other = pick.of(self.arenas.len()).map(|index| self.arenas[index]);
        match (wrong, other.filter(|other| *other != first), self.far()) {
            (Wrong::ExtendOverlap, Some(other), _) => {
                self.refuse_extend(first, first.fit_over(other), &[Overlap])
            }
            (Wrong::ExtendNull, ..) => {
                self.refuse_extend(first, first.fit_over(Span::new(0, 1)), &[Null, Overlap])
            }
            (Wrong::ExtendFar, _, Some(far)) => {
                self.refuse_extend(first, first.fit_over(far), &[TooFar, Overlap])
            }
            (Wrong::ExtendToLess, ..) => {
                self.refuse_extend(first, first.truncate(1, 0), &[NotExtended])
            }
            (Wrong::TruncateToMore, ..) => self.refuse_truncate(first, first.extend(0, size)),
            _ => Ok(()),
        }
    }

    /// Passes a span that is wrong because of an arena.
    fn refuse_any(&mut self, wrong: Wrong, arena: Span, size: usize) -> Check {
        let (lowest, highest) = (self.arenas[0], self.arenas[self.arenas.len() - 1]);
        let none = arena.extend(0, 1);
        match wrong {
            Wrong::ClaimPart => {
                self.refuse_claim(arena.truncate(0, arena.size().saturating_sub(size)), Overlap)
            }
            Wrong::ClaimOverlap => {
                let last = arena.truncate(arena.size() - 1, 0);
                self.refuse_claim(last.extend(0, size), Overlap)
            }
            Wrong::ExtendArenaToLess => {
                self.refuse_extend_arena(arena, arena.truncate(0, 1), NotExtended)
            }
            Wrong::ExtendArenaOverlap if arena != highest => {
                self.refuse_extend_arena(arena, arena.fit_over(highest), Overlap)
            }
            Wrong::TruncateArenaToMore => {
                self.refuse_truncate_arena(arena, arena.extend(size, 0), NotTruncated)
            }
            Wrong::ExtendNoArena => {
                self.refuse_extend_arena(none, arena.extend(0, 1 + size), NoSuchArena)
            }
            Wrong::TruncateNoArena => self.refuse_truncate_arena(none, arena, NoSuchArena),
            Wrong::ReleaseNoArena => self.refuse_release(none),
            Wrong::MergeNoArena => self.refuse_merge(arena, none, NoSuchArena),
            Wrong::MergeDown => self.refuse_merge(arena, lowest, NotAdjacent),
            _ => Ok(()),
        }
    }

    /// Returns a span above the pool that is larger than the reach of links, if there is one.
    fn far(&self) -> Option<Span> {
        Span::try_from_base_size(self.pool.whole().acme()?, self.limits.window)
    }

    /// Claims a span beyond the reach of links, alone, and together with an existing arena.
    fn refuse_far(&mut self) -> Check {
        match (self.far(), self.arenas.last()) {
            (Some(far), Some(arena)) => self.refuse_claim(far.fit_over(*arena), Overlap),
            _ => Ok(()),
        }
    }

    /// Claims a few bytes as a second arena.
    fn refuse_tiny(&mut self, pick: Pick, size: usize) -> Check {
        let gaps = self.gaps();
        match pick.of(gaps.len()) {
            Some(index) if self.heap.get_arena().is_sized() => {
                let gap = gaps[index];
                self.refuse_claim(gap.truncate(0, gap.size().saturating_sub(size % 64)), TooSmall)
            }
            _ => Ok(()),
        }
    }

    fn refuse_init(&mut self, new: Span) -> Check {
        self.trace.begin(Call::Init(self.place(new)));
        // SAFETY: The heap refuses such a span, as it promises.
        let result = unsafe { self.heap.try_init(new) };
        self.must_refuse(result, new, &[Null])
    }

    fn refuse_claim(&mut self, new: Span, error: ArenaError) -> Check {
        self.trace.begin(Call::Claim(self.place(new), Memory::empty()));
        // SAFETY: The heap refuses such a span, as it promises.
        let result = unsafe { self.heap.claim_as(new, Memory::empty()) };
        self.must_refuse(result, new, &[error])
    }

    fn refuse_extend(&mut self, first: Span, new: Span, errors: &[ArenaError]) -> Check {
        self.trace.begin(Call::Extend(self.place(new)));
        // SAFETY: The heap refuses such a span, as it promises.
        let result = unsafe { self.heap.try_extend(new) };
        self.must_refuse(result, first, errors)
    }

    fn refuse_truncate(&mut self, first: Span, new: Span) -> Check {
        self.trace.begin(Call::Truncate(self.place(new)));
        let result = self.heap.try_truncate(new);
        self.must_refuse(result, first, &[NotTruncated])
    }

    fn refuse_extend_arena(&mut self, old: Span, new: Span, error: ArenaError) -> Check {
        let memory = Memory::empty();
        self.trace.begin(Call::ExtendArena(self.place(old), self.place(new), memory));
        // SAFETY: The heap refuses such a span, as it promises.
        let result = unsafe { self.heap.extend_arena_as(old, new, memory) };
        self.must_refuse(result, old, &[error])
    }

    fn refuse_truncate_arena(&mut self, old: Span, new: Span, error: ArenaError) -> Check {
        self.trace.begin(Call::TruncateArena(self.place(old), self.place(new)));
        let result = self.heap.truncate_arena(old, new);
        self.must_refuse(result, old, &[error])
    }

    fn refuse_release(&mut self, old: Span) -> Check {
        self.trace.begin(Call::Release(self.place(old)));
        let result = self.heap.release_arena(old);
        self.must_refuse(result, old, &[NoSuchArena])
    }

    fn refuse_merge(&mut self, lower: Span, upper: Span, error: ArenaError) -> Check {
        self.trace.begin(Call::Merge(self.place(lower), self.place(upper)));
        // SAFETY: The heap refuses such spans, as it promises.
        let result = unsafe { self.heap.merge_arenas(lower, upper) };
        self.must_refuse(result, lower, &[error])
    }

    fn must_refuse(
        &mut self,
        result: Result<(), ArenaError>,
        span: Span,
        errors: &[ArenaError],
    ) -> Check {
        self.reshaped(result, span, span, Expect::Refused)?;
        self.refusals += 1;
        match result {
            Err(error) if !errors.contains(&error) => {
                Err(format!("refused {span} because \"{error}\", not for any of {errors:?}"))
            }
            _ => Ok(()),
        }
    }
}
