//! Allocating from the first of several arenas that has room.

use core::ptr::NonNull;

use talloc_span::Align;

use super::Talloc;
use super::arenas::{Place, SMALL, Wanted};
use crate::arena::Arena;
use crate::config::Config;
use crate::granule::GRANULE;
use crate::source::Source;

/// All kinds of memory.
const ANY: u32 = u32::MAX;

/// A block, from which address on it is known to be zero, and the place of its arena.
type Found<C> = (NonNull<u8>, usize, Place<C>);

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates from another arena than the one where requests begin, which has no room. Returns as
    /// [`allocate_knowing`](Self::allocate_knowing).
    #[cold]
    pub(super) fn allocate_elsewhere(
        &mut self,
        len: usize,
        align: Align,
    ) -> Option<(NonNull<u8>, usize)> {
        let found = self.find_elsewhere(len, align);
        let (block, zero, place) = found.or_else(|| self.allocate_by_luck(ANY, len, align))?;
        self.begin_after(place, len, align);
        Some((block, zero))
    }

    /// [`allocate_elsewhere`](Self::allocate_elsewhere), from an arena that has room for sure.
    #[cold]
    pub(super) fn allocate_surely_elsewhere(
        &mut self,
        len: usize,
        align: Align,
    ) -> Option<NonNull<u8>> {
        let (block, _, place) = self.find_elsewhere(len, align)?;
        self.begin_after(place, len, align);
        Some(block)
    }

    /// Allocates from the first arena that has room for sure.
    fn find_elsewhere(&mut self, len: usize, align: Align) -> Option<Found<C>> {
        self.arenas.settle();
        self.allocate_from_first(ANY, len, align)
    }

    /// Has requests begin with an arena that has met a small one, for which the one before had no room.
    fn begin_after(&mut self, place: Place<C>, len: usize, align: Align) {
        if len + align.get() / GRANULE <= SMALL {
            self.arenas.begin_with(place);
        }
    }

    /// Allocates from the first arena of these kinds that has room.
    ///
    /// Takes a bounded number of steps, however many arenas there are.
    pub(super) fn allocate_among(
        &mut self,
        kinds: u32,
        len: usize,
        align: Align,
    ) -> Option<NonNull<u8>> {
        self.arenas.settle();
        let found = self.allocate_from_first(kinds, len, align);
        Some(found.or_else(|| self.allocate_by_luck(kinds, len, align))?.0)
    }

    /// Allocates from the first arena of these kinds that has so many granules in one piece for sure.
    fn allocate_from_first(&mut self, kinds: u32, len: usize, align: Align) -> Option<Found<C>> {
        let grade = u32::try_from(surely(len, align)).ok()?;
        let place = self.arenas.first_with(&Wanted { from: 0, grade, kinds })?;
        let found = self.allocate_at(place, len, align);
        debug_assert!(found.is_some(), "I13: an arena has what its grade says");
        found
    }

    /// Allocates from the first arena of these kinds that has room, though none has for sure: its largest chunk may
    /// lie behind another one of the same bin, or be aligned by chance. No more arenas are tried than
    /// [`LAST_RESORT`](Config::LAST_RESORT) chunks would be.
    #[cold]
    fn allocate_by_luck(&mut self, kinds: u32, len: usize, align: Align) -> Option<Found<C>> {
        let mut wanted = Wanted { from: 0, grade: Arena::<C>::least_grade(len), kinds };
        for _ in 0..C::LAST_RESORT {
            let place = self.arenas.first_with(&wanted)?;
            if let Some(found) = self.allocate_at(place, len, align) {
                return Some(found);
            }
            wanted.from = self.arenas.number_of(place) + 1;
        }
        None
    }

    /// Allocates from the arena at `place`.
    fn allocate_at(&mut self, place: Place<C>, len: usize, align: Align) -> Option<Found<C>> {
        let arena = self.arenas.arena_at(place);
        let zero = arena.zero_from();
        let at = arena.allocate(len, align)?;
        let block = arena.hand_out(at, len);
        self.arenas.count_taken(len * GRANULE);
        self.arenas.note_change(place);
        Some((block, zero, place))
    }
}

/// Wherever so many granules are, there are `len` aligned ones in them.
fn surely(len: usize, align: Align) -> usize {
    len + (align.get() / GRANULE).saturating_sub(1)
}
