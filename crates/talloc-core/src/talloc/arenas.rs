//! The chain of arenas.

use core::ptr::NonNull;

use talloc_span::Span;

use super::Talloc;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::ArenaError;

/// Where an arena's structure is: in the heap for the first, in the arena's own chunk for others.
pub(super) type Place<C> = Option<NonNull<Arena<C>>>;

impl<C: Config, S> Talloc<C, S> {
    /// The arena at `place`.
    #[inline(always)]
    pub(super) fn arena_at(&mut self, place: Place<C>) -> &mut Arena<C> {
        match place {
            None => &mut self.first,
            // SAFETY: The chain leads to structures in the arenas' own chunks, which the heap
            // reaches through nothing but the chain (I10).
            Some(mut arena) => unsafe { arena.as_mut() },
        }
    }

    /// The arena at `place`, to look at.
    pub(super) fn peek(&self, place: Place<C>) -> &Arena<C> {
        match place {
            None => &self.first,
            // SAFETY: As for `arena_at`.
            Some(arena) => unsafe { arena.as_ref() },
        }
    }

    /// The place after `place` in the chain.
    pub(super) fn after(&self, place: Place<C>) -> Place<C> {
        match place {
            None => self.others,
            Some(_) => self.peek(place).next,
        }
    }

    /// Every place, the first arena's first.
    pub(super) fn places(&self) -> impl Iterator<Item = Place<C>> + '_ {
        let others = core::iter::successors(self.others, |arena| self.after(Some(*arena)));
        core::iter::once(None).chain(others.map(Some))
    }

    /// The arena that gave memory last.
    #[inline(always)]
    pub(super) fn recent(&mut self) -> &mut Arena<C> {
        self.arena_at(self.recent)
    }

    /// The arena of a block.
    ///
    /// # Panics
    ///
    /// If there are several arenas and none contains the block.
    #[inline(always)]
    pub(super) fn arena_of(&mut self, block: NonNull<u8>) -> &mut Arena<C> {
        if self.others.is_none() {
            debug_assert!(self.first.contains(block.addr().get()), "{FOREIGN}");
            return &mut self.first;
        }
        let place = self.place_of(block);
        self.arena_at(place)
    }

    /// Where the arena of a block is, among several.
    #[cold]
    pub(super) fn place_of(&self, block: NonNull<u8>) -> Place<C> {
        let addr = block.addr().get();
        self.places().find(|place| self.peek(*place).contains(addr)).expect(FOREIGN)
    }

    /// Where the arena of that span is.
    pub(super) fn place_with(&self, span: Span) -> Result<Place<C>, ArenaError> {
        let mut places = self.places();
        places.find(|place| self.peek(*place).span() == span).ok_or(ArenaError::NoSuchArena)
    }

    /// Whether a span overlaps an arena, that at `but` left aside.
    pub(super) fn overlaps(&self, span: Span, but: Option<Place<C>>) -> bool {
        self.places().any(|place| Some(place) != but && self.peek(place).span().overlaps(span))
    }

    /// The link that leads to `place`, which is not that of the first arena.
    pub(super) fn link_to(&mut self, place: Place<C>) -> &mut Place<C> {
        let mut before = None;
        while self.after(before) != place {
            before = self.after(before);
        }
        match before {
            None => &mut self.others,
            Some(_) => &mut self.arena_at(before).next,
        }
    }
}

/// What is wrong with a block that no arena contains.
const FOREIGN: &str = "the block is not from this heap";
