//! Allocating from the first arena with room, in a heap of several.

use core::ptr::NonNull;

use talloc_span::Align;

use super::Talloc;
use super::arenas::{ANY, Place, Wanted};
use crate::arena::Arena;
use crate::config::{Config, Level};
use crate::granule::GRANULE;
use crate::source::Source;

/// How many arenas that may have room an aligned request tries, at least.
const ALIGNED_TRIES: usize = 4;

/// A block, the address from which on it is known to be zero, and the place of its arena.
type Found<C> = (NonNull<u8>, usize, Place<C>);

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates from the first arena that surely has room, if it comes before the one where requests begin. Returns
    /// the same as [`allocate_knowing`](Self::allocate_knowing).
    #[cold]
    #[inline(never)]
    pub(super) fn allocate_earlier(
        &mut self,
        len: usize,
        align: Align,
    ) -> Option<(NonNull<u8>, usize)> {
        let place = self.arenas.earlier_with(sure_grade(len, align))?;
        let (block, zero, _) = self.allocate_at(place, len, align)?;
        Some((block, zero))
    }

    /// Allocates from any arena except the one where requests begin, which has no room. Returns the same as
    /// [`allocate_knowing`](Self::allocate_knowing).
    #[cold]
    pub(super) fn allocate_elsewhere(
        &mut self,
        len: usize,
        align: Align,
    ) -> Option<(NonNull<u8>, usize)> {
        self.arenas.note_recent();
        if let Some((block, zero, place)) = self.allocate_from_first(ANY, len, align) {
            self.arenas.begin_after(place, sure_grade(len, align));
            return Some((block, zero));
        }
        let (block, zero, _) = self.allocate_by_luck(ANY, len, align)?;
        Some((block, zero))
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
        self.arenas.note_recent();
        let found = self.allocate_from_first(kinds, len, align);
        Some(found.or_else(|| self.allocate_by_luck(kinds, len, align))?.0)
    }

    /// Allocates from the first arena of these kinds that surely has room.
    fn allocate_from_first(&mut self, kinds: u32, len: usize, align: Align) -> Option<Found<C>> {
        let grade = sure_grade(len, align);
        let place = self.arenas.first_with(&Wanted { from: 0, grade, kinds })?;
        let found = self.allocate_at(place, len, align);
        debug_assert!(C::ENCODED || found.is_some(), "I13: an arena has what its grade says");
        found
    }

    /// Allocates from an arena of these kinds that may have room, when none surely has. The first chunk of a bin may be
    /// too small and a later one large enough, or a chunk may happen to be aligned.
    ///
    /// Tries up to [`LAST_RESORT`](Config::LAST_RESORT) arenas, but at least [`ALIGNED_TRIES`] for an aligned request.
    /// In each arena, it examines as many chunks as a heap with only that arena would.
    #[cold]
    fn allocate_by_luck(&mut self, kinds: u32, len: usize, align: Align) -> Option<Found<C>> {
        let tries = if align.get() > GRANULE { ALIGNED_TRIES } else { 0 };
        let mut wanted = Wanted { from: 0, grade: Arena::<C>::least_grade(len), kinds };
        for _ in 0..C::LAST_RESORT.max(tries) {
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
        let Some(at) = arena.allocate(len, align) else {
            self.arenas.heed(place);
            return None;
        };
        let block = arena.hand_out(at, len);
        self.arenas.count_taken(len * GRANULE);
        self.arenas.note_change(place);
        Some((block, zero, place))
    }
}

/// The lowest grade of an arena that surely has `len` aligned granules. A piece of that many granules contains them,
/// wherever it lies.
fn sure_grade(len: usize, align: Align) -> u32 {
    let granules = len + (align.get() / GRANULE).saturating_sub(1);
    u32::try_from(granules).unwrap_or(u32::MAX)
}
