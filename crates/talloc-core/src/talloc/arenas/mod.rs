//! The arenas of a heap: the first one, and an index of the further ones.

mod change;
mod further;
mod index;
mod order;
#[cfg(test)]
pub(super) mod sabotage;

use core::ptr::NonNull;

use talloc_span::Span;

use crate::arena::Arena;
use crate::config::{Config, Level};
use crate::error::ArenaError;
use further::Further;
use index::Index;
pub(super) use order::{ANY, Wanted};

/// The place of an arena's structure. `None` is the first arena, whose structure is in the heap. The structure of a
/// further arena is the start of the [`Further`] in its own chunk.
pub(super) type Place<C> = Option<NonNull<Arena<C>>>;

/// The arenas of a heap, and the count of bytes in use.
///
/// They are separate from the quick lists, because one thread may use the lists while another thread uses the arenas.
pub(crate) struct Arenas<C: Config> {
    pub(super) first: Arena<C>,
    /// The first further arena in the order of claiming. It contains the [index](Index) of all of them.
    pub(super) others: Option<NonNull<Arena<C>>>,
    /// The arena where requests begin.
    pub(super) recent: Place<C>,
    /// No arena before that one surely has this many granules in one piece.
    missed: u32,
    /// Bytes of all blocks, including cached ones.
    used: usize,
    /// The highest value of `used` before it last decreased.
    peak: usize,
}

/// Counting the bytes in use.
impl<C: Config> Arenas<C> {
    /// No arenas. All bytes are zero, so a static heap takes no room in the program's file.
    #[allow(clippy::declare_interior_mutable_const, reason = "each use makes arenas of its own")]
    pub(super) const NONE: Self =
        Self { first: Arena::NONE, others: None, recent: None, missed: 0, used: 0, peak: 0 };

    /// Only a first arena.
    pub(super) fn of_first(first: Arena<C>) -> Self {
        Self { first, ..Self::NONE }
    }

    /// Counts bytes that come into use.
    #[inline(always)]
    pub(super) fn count_taken(&mut self, bytes: usize) {
        self.used += bytes;
        debug_assert!(self.used <= self.size(), "I12: no more is in use than there is");
    }

    /// Counts bytes that go out of use.
    #[inline(always)]
    pub(super) fn count_freed(&mut self, bytes: usize) {
        // A peak is recorded when the use falls below it, so only one of the two operations has to do that.
        debug_assert!(bytes <= self.used, "I12: {bytes} bytes are in use");
        self.peak = self.peak.max(self.used);
        self.used -= bytes;
    }

    /// Bytes in use, including cached blocks.
    #[inline(always)]
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The most bytes that were in use at once, including cached blocks.
    pub(super) fn peak(&self) -> usize {
        self.peak.max(self.used)
    }

    /// Bytes in which blocks may lie, in all arenas.
    pub(super) fn size(&self) -> usize {
        self.first.size() + self.index().map_or(0, |index| index.bytes)
    }
}

/// Arenas that were found broken.
impl<C: Config> Arenas<C> {
    /// Whether something was found broken in an arena.
    #[inline(always)]
    pub(super) fn is_broken(&self) -> bool {
        self.first.is_broken() || self.recent.is_some() && self.peek(self.recent).is_broken()
    }

    /// Has [`is_broken`](Self::is_broken) say so if an arena is broken that may be neither the first nor the recent
    /// one.
    #[inline(always)]
    pub(super) fn heed(&mut self, place: Place<C>) {
        if C::HARDENED && self.peek(place).is_broken() {
            self.first.note_broken();
        }
    }

    /// Counts the bytes in use again.
    pub(super) fn recount(&mut self) {
        let free = |arena: &Arena<C>| arena.free_chunks().map(|chunk| chunk.span.size()).sum();
        let used = |place| {
            let arena = self.peek(place);
            arena.capacity().saturating_sub(free(arena))
        };
        self.used = self.places().map(used).sum();
    }
}

/// Finding an arena.
impl<C: Config> Arenas<C> {
    /// Whether there is only the first arena. It is a constant for heaps with a single arena.
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
            // SAFETY: A place leads to a structure in an arena's own chunk, which only the heap uses (I10).
            Some(mut arena) => unsafe { arena.as_mut() },
        }
    }

    /// The arena at `place`, read-only.
    pub(super) fn peek(&self, place: Place<C>) -> &Arena<C> {
        match place {
            _ if C::SINGLE_ARENA => &self.first,
            None => &self.first,
            // SAFETY: As for `arena_at`.
            Some(arena) => unsafe { arena.as_ref() },
        }
    }

    /// The index of further arenas, if there are any.
    #[inline(always)]
    fn index(&self) -> Option<&Index<C>> {
        if C::SINGLE_ARENA {
            return None;
        }
        // SAFETY: The first further arena has the index, which only methods of this type change.
        self.others.map(|place| unsafe { &(*Further::at(place)).index })
    }

    /// The index of further arenas, if there are any.
    fn index_mut(&mut self) -> Option<&mut Index<C>> {
        if C::SINGLE_ARENA {
            return None;
        }
        // SAFETY: As for `index`.
        self.others.map(|place| unsafe { &mut (*Further::at(place)).index })
    }

    /// The place after `place` in the order of claiming.
    pub(super) fn after(&self, place: Place<C>) -> Place<C> {
        match place {
            _ if C::SINGLE_ARENA => None,
            None => self.others,
            // SAFETY: A place leads to the structure of a further arena (I10).
            Some(place) => unsafe { (*Further::at(place)).after },
        }
    }

    /// All places, in the order of claiming.
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

    /// The place of the arena of a block, in a heap of several arenas.
    ///
    /// # Panics
    ///
    /// If none contains the block.
    #[cold]
    #[inline(never)]
    pub(super) fn place_of(&self, block: NonNull<u8>) -> Place<C> {
        self.containing(block.addr().get()).expect(FOREIGN)
    }

    /// The place of the arena that contains an address between its start and its end.
    #[inline(always)]
    pub(super) fn containing(&self, addr: usize) -> Option<Place<C>> {
        if self.first.contains(addr) {
            return Some(None);
        }
        self.index()?.containing(addr).map(Some)
    }

    /// The arena whose span contains an address.
    pub(super) fn spanning(&self, addr: usize) -> Option<&Arena<C>> {
        let further = || self.index().and_then(|index| index.up_to(addr));
        let place = if self.first.span().contains(addr) { None } else { Some(further()?) };
        Some(self.peek(place)).filter(|arena| arena.span().contains(addr))
    }

    /// The arena that begins at the lowest address from `addr` on.
    pub(super) fn above(&self, addr: usize) -> Option<&Arena<C>> {
        let further = self.index().and_then(|index| index.above(addr));
        let further = further.map(|place| self.peek(Some(place)));
        let first = Some(&self.first).filter(|first| first.span().base() >= Some(addr));
        first.into_iter().chain(further).min_by_key(|arena| arena.span().base())
    }

    /// The place of the arena with a span.
    pub(super) fn place_with(&self, span: Span) -> Result<Place<C>, ArenaError> {
        if self.first.span() == span {
            return Ok(None);
        }
        let further = || self.index()?.up_to(span.base()?);
        let place = further().filter(|place| self.peek(Some(*place)).span() == span);
        place.map(Some).ok_or(ArenaError::NoSuchArena)
    }

    /// Whether a span overlaps an arena other than the one at `but`. If there is one at `but`, the span contains it.
    pub(super) fn overlaps(&self, span: Span, but: Option<Place<C>>) -> bool {
        let is_free = but == Some(None) || !self.first.span().overlaps(span);
        !is_free || self.overlaps_further(span, but.flatten())
    }

    /// [`overlaps`](Self::overlaps), of further arenas.
    fn overlaps_further(&self, span: Span, but: Place<C>) -> bool {
        let Some((index, base)) = self.index().zip(span.base()) else { return false };
        let below = |place: NonNull<Arena<C>>| {
            self.peek(Some(place)).span().base().and_then(|base| index.up_to(base.checked_sub(1)?))
        };
        // If any arena overlaps it, the last one that begins below its end does.
        let last = index.up_to(base + (span.size() - 1));
        let last = if but.is_some() && last == but { last.and_then(below) } else { last };
        last.is_some_and(|place| self.peek(Some(place)).span().overlaps(span))
    }
}

/// The message for a block that no arena contains.
const FOREIGN: &str = "the block is not from this heap";
