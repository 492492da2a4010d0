//! Arenas in ranges of addresses that become memory bit by bit.

use core::alloc::Layout;

use talloc_span::Span;

use super::Talloc;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::ArenaError;
use crate::granule::GRANULE;
use crate::memory::Memory;
use crate::source::Source;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Claims the lower part of `range`, with room for `bytes` bytes of blocks, as an arena that can be
    /// [raised](Self::raise_part) up to the range's end.
    ///
    /// `commit` is called with what must be memory from then on: two pieces, which it may extend to whole
    /// pages. The rest of the range is not touched. A raise moves nothing and flushes nothing.
    ///
    /// Returns the span of the arena.
    ///
    /// # Errors
    ///
    /// As for [`claim`](Self::claim), [`ArenaError::TooSmall`] if the range has no room for so many bytes, and
    /// [`ArenaError::NoMemory`] if `commit` fails.
    ///
    /// # Safety
    ///
    /// As for [`claim_as`](Self::claim_as), for all of the range, with memory where `commit` has succeeded.
    /// `memory` holds for all of it.
    pub unsafe fn claim_part(
        &mut self,
        range: Span,
        bytes: usize,
        memory: Memory,
        commit: impl FnMut(Span) -> bool,
    ) -> Result<Span, ArenaError> {
        if C::SINGLE_ARENA && self.arenas.first.span().is_sized() {
            return Err(ArenaError::SecondArena);
        }
        if self.arenas.overlaps(range, None) {
            return Err(ArenaError::Overlap);
        }
        let control = self.arenas.next_control();
        let (part, parts) = Arena::<C>::part_of(range, control, bytes)?;
        if !parts.into_iter().all(commit) {
            return Err(ArenaError::NoMemory);
        }
        // SAFETY: The caller gives the range, and both parts are memory now.
        let arena = unsafe { Arena::claim_part(part, range, control, memory) }?;
        self.add_arena(arena);
        Ok(part)
    }

    /// Raises the end of an arena that was claimed by [`claim_part`](Self::claim_part) by `more` bytes, in
    /// whole granules of 8, within `range`. Returns the arena's span.
    ///
    /// Takes the time that `commit` takes, and no more.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`], [`ArenaError::TooFar`] if the range ends before, and
    /// [`ArenaError::NoMemory`] if `commit` fails.
    ///
    /// # Safety
    ///
    /// As for [`claim_part`](Self::claim_part).
    pub unsafe fn raise_part(
        &mut self,
        arena: Span,
        range: Span,
        more: usize,
        commit: impl FnMut(Span) -> bool,
    ) -> Result<Span, ArenaError> {
        let place = self.arenas.place_with(arena)?;
        let is_within = arena.try_extend(0, more).is_some_and(|raised| range.contains_span(raised));
        if !is_within {
            return Err(ArenaError::TooFar);
        }
        let parts = self.arenas.peek(place).parts_above(more)?;
        if !parts.into_iter().all(commit) {
            return Err(ArenaError::NoMemory);
        }
        let span = self.arenas.with_raised(place, |arena| {
            // SAFETY: The caller gives the range, and both parts are memory now.
            unsafe { arena.raise_within(more) };
            arena.span()
        });
        self.limit_quick();
        Ok(span)
    }

    /// How many bytes the arena of that span lacks at its end to be sure to have room for `layout`: none if
    /// there is room.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`].
    pub fn lacking_for(&self, arena: Span, layout: Layout) -> Result<usize, ArenaError> {
        let place = self.arenas.place_with(arena)?;
        let (len, lead) = Arena::<C>::needed_for(layout);
        Ok(self.arenas.peek(place).lacking(len, lead))
    }

    /// Bytes of blocks that an arena must have room for to be sure to meet a request, if nothing is allocated
    /// in it.
    #[must_use]
    pub fn room_for(layout: Layout) -> usize {
        let (len, lead) = Arena::<C>::needed_for(layout);
        (len + lead) * GRANULE
    }
}
