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
    /// [raised](super::ArenaMut::raise_part) up to the range's end.
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

    /// Bytes of blocks that an arena must have room for to be sure to meet a request, if nothing is allocated
    /// in it.
    #[must_use]
    pub fn room_for(layout: Layout) -> usize {
        let (len, lead) = Arena::<C>::needed_for(layout);
        (len + lead) * GRANULE
    }
}
