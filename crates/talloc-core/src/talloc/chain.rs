//! The chain of arenas.

use core::ptr::NonNull;

use talloc_span::Span;

use crate::arena::{Arena, Control};
use crate::config::Config;
use crate::error::ArenaError;

/// Where an arena's structure is: in the heap for the first, in the arena's own chunk for others.
pub(super) type Place<C> = Option<NonNull<Arena<C>>>;

/// The arenas of a heap, and what is in use of them.
///
/// They are apart from the quick lists, which one thread may use while another one has the arenas.
pub(crate) struct Arenas<C: Config> {
    pub(super) first: Arena<C>,
    /// Further arenas, in the order of claiming.
    pub(super) others: Option<NonNull<Arena<C>>>,
    /// The first arena that may have room for a small block, where requests begin; `None` for the very first
    /// one.
    pub(super) recent: Place<C>,
    /// Bytes of all used chunks that are blocks, those in quick lists included.
    used: usize,
    /// The most that `used` had been when it last decreased.
    peak: usize,
}

/// What is in use.
impl<C: Config> Arenas<C> {
    /// No arenas. All of it is zeros, so that a static heap takes no room in a program's file.
    pub(super) const NONE: Self =
        Self { first: Arena::NONE, others: None, recent: None, used: 0, peak: 0 };

    /// No arenas but a first one.
    pub(super) fn of_first(first: Arena<C>) -> Self {
        Self { first, ..Self::NONE }
    }

    /// Counts bytes that come into use.
    #[inline(always)]
    pub(super) fn count_taken(&mut self, bytes: usize) {
        self.used += bytes;
    }

    /// Counts bytes that are in use no longer.
    #[inline(always)]
    pub(super) fn count_freed(&mut self, bytes: usize) {
        // A maximum is noted when it is left, so that only one of the two operations has that to do.
        debug_assert!(bytes <= self.used, "I12: {bytes} bytes are in use");
        self.peak = self.peak.max(self.used);
        self.used -= bytes;
    }

    /// Bytes in use, those in quick lists included.
    #[inline(always)]
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The most bytes that were in use at once, those in quick lists included.
    pub(super) fn peak(&self) -> usize {
        self.peak.max(self.used)
    }

    /// Bytes that blocks may take up, in all arenas.
    pub(super) fn size(&self) -> usize {
        self.places().map(|place| self.peek(place).size()).sum()
    }
}

/// Finding an arena.
impl<C: Config> Arenas<C> {
    /// Whether there is no arena but the first one, which some heaps know when they are compiled.
    #[inline(always)]
    pub(super) fn is_single(&self) -> bool {
        C::SINGLE_ARENA || self.others.is_none()
    }

    /// The arena at `place`.
    #[inline(always)]
    pub(super) fn arena_at(&mut self, place: Place<C>) -> &mut Arena<C> {
        match place {
            _ if C::SINGLE_ARENA => &mut self.first,
            None => &mut self.first,
            // SAFETY: The chain leads to structures in the arenas' own chunks, which the heap
            // reaches through nothing but the chain (I10).
            Some(mut arena) => unsafe { arena.as_mut() },
        }
    }

    /// The arena at `place`, to look at.
    pub(super) fn peek(&self, place: Place<C>) -> &Arena<C> {
        match place {
            _ if C::SINGLE_ARENA => &self.first,
            None => &self.first,
            // SAFETY: As for `arena_at`.
            Some(arena) => unsafe { arena.as_ref() },
        }
    }

    /// The place after `place` in the chain.
    pub(super) fn after(&self, place: Place<C>) -> Place<C> {
        match place {
            _ if C::SINGLE_ARENA => None,
            None => self.others,
            Some(_) => self.peek(place).next,
        }
    }

    /// Every place, the first arena's first.
    pub(super) fn places(&self) -> impl Iterator<Item = Place<C>> + '_ {
        let others = core::iter::successors(self.after(None), |arena| self.after(Some(*arena)));
        core::iter::once(None).chain(others.map(Some))
    }

    /// The arena where requests begin.
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
        if self.is_single() {
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

    /// The link that leads to `place`, which is not that of the first arena; the last link if it is `None`.
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

    /// Moves an arena's structure out of its place.
    pub(super) fn lift(&mut self, place: Place<C>) -> Arena<C> {
        match place {
            _ if C::SINGLE_ARENA => core::mem::replace(&mut self.first, Arena::NONE),
            None => core::mem::replace(&mut self.first, Arena::NONE),
            // SAFETY: The structure is not used until another one is put there.
            Some(control) => unsafe { control.read() },
        }
    }

    /// Moves an arena's structure into its place, or, if the arena's own chunk has moved, to where
    /// that is, with what links to it.
    pub(super) fn put(&mut self, place: Place<C>, arena: Arena<C>) {
        match place {
            _ if C::SINGLE_ARENA => self.first = arena,
            None => self.first = arena,
            Some(_) => {
                let settled = Some(settle(arena));
                *self.link_to(place) = settled;
                if self.recent == place {
                    self.recent = settled;
                }
            }
        }
    }

    /// Calls `f` with an arena whose own chunk may move, and with it the arena's structure.
    pub(super) fn with_lifted<T>(
        &mut self,
        place: Place<C>,
        f: impl FnOnce(&mut Arena<C>) -> T,
    ) -> T {
        if C::SINGLE_ARENA || place.is_none() {
            return f(&mut self.first);
        }
        let mut arena = self.lift(place);
        let result = f(&mut arena);
        self.put(place, arena);
        result
    }

    /// Takes an arena out of the chain.
    pub(super) fn detach(&mut self, place: Place<C>) -> Arena<C> {
        let arena = self.lift(place);
        if place.is_some() {
            *self.link_to(place) = arena.next;
        }
        arena
    }

    /// Puts an arena back into the chain that was at `place`.
    pub(super) fn attach(&mut self, place: Place<C>, arena: Arena<C>) {
        match place {
            None => self.first = arena,
            Some(_) => self.append(arena),
        }
    }

    /// Makes an arena, which has room for its structure, the last one.
    pub(super) fn append(&mut self, mut arena: Arena<C>) {
        debug_assert!(!self.overlaps(arena.span(), None), "I10: arenas do not overlap");
        arena.next = None;
        *self.link_to(None) = Some(settle(arena));
    }

    /// The arena of a block that is given back. Requests begin there from now on, unless they begin with one that
    /// was claimed before.
    #[inline(always)]
    pub(super) fn arena_with_room(&mut self, block: NonNull<u8>) -> &mut Arena<C> {
        if self.is_single() {
            return self.arena_of(block);
        }
        let place = self.place_of(block);
        self.note_room(place);
        self.arena_at(place)
    }

    /// Notes that the arena at `place` may have room again.
    pub(super) fn note_room(&mut self, place: Place<C>) {
        let (recent, mut places) = (self.recent, self.places());
        if places.find(|other| *other == place || *other == recent) == Some(place) {
            drop(places);
            self.recent = place;
        }
    }
}

/// Puts an arena's structure where the arena keeps it.
fn settle<C: Config>(arena: Arena<C>) -> core::ptr::NonNull<Arena<C>> {
    debug_assert!(arena.control_place() == Control::Inside, "I10: the own chunk has room for it");
    let place = arena.control();
    // SAFETY: The arena's own chunk starts with room for it, which nobody else uses.
    unsafe { place.write(arena) };
    place
}

/// What is wrong with a block that no arena contains.
const FOREIGN: &str = "the block is not from this heap";
