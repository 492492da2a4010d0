//! Allocating from the first of several arenas that has room.

use core::ptr::NonNull;

use talloc_span::Align;

use super::Talloc;
use super::arenas::{Place, Wanted};
use crate::arena::Arena;
use crate::config::Config;
use crate::granule::GRANULE;
use crate::source::Source;

/// An arena that has no room for so many granules is passed over.
const SMALL: usize = 128;

/// All kinds of memory.
const ANY: u32 = u32::MAX;

/// A block, from which address on it is known to be zero, and the place of its arena.
type Found<C> = (NonNull<u8>, usize, Place<C>);

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates from the first arena that has room, the one left aside where requests begin, which has not. Returns
    /// as [`allocate_knowing`](Self::allocate_knowing).
    #[cold]
    pub(super) fn allocate_elsewhere(
        &mut self,
        len: usize,
        align: Align,
    ) -> Option<(NonNull<u8>, usize)> {
        let recent = self.arenas.recent;
        let (block, zero, place) = self.allocate_among(ANY, len, align, Some(recent))?;
        if len + align.get() / GRANULE <= SMALL {
            self.arenas.begin_with(place);
        }
        Some((block, zero))
    }

    /// Allocates from the first arena of these kinds that has room, that at `but` left aside.
    ///
    /// Takes a bounded number of steps, however many arenas there are. An arena may have room that has no piece of so
    /// many granules for sure, but one in the same bin: no more of these are tried than
    /// [`LAST_RESORT`](Config::LAST_RESORT), and one at the least.
    pub(super) fn allocate_among(
        &mut self,
        kinds: u32,
        len: usize,
        align: Align,
        but: Option<Place<C>>,
    ) -> Option<Found<C>> {
        self.arenas.settle();
        // Wherever so many granules are, there are `len` aligned ones in them.
        let surely = len + (align.get() / GRANULE).saturating_sub(1);
        let surely = u32::try_from(surely).unwrap_or(u32::MAX);
        let mut wanted = Wanted { from: 0, grade: Arena::<C>::least_grade(len), kinds };
        let mut tries = C::LAST_RESORT.max(1);
        while let Some(place) = self.arenas.first_with(&wanted) {
            wanted.from = self.arenas.number_of(place) + 1;
            if Some(place) == but {
                continue;
            }
            let arena = self.arenas.arena_at(place);
            let (zero, was_sure) = (arena.zero_from(), arena.grade() >= surely);
            if let Some(at) = arena.allocate(len, align) {
                let block = arena.hand_out(at, len);
                self.arenas.count_taken(len * GRANULE);
                self.arenas.note_change(place);
                return Some((block, zero, place));
            }
            debug_assert!(!was_sure, "I13: an arena has a free piece of its grade");
            tries -= 1;
            if tries == 0 {
                (wanted.grade, tries) = (surely, 1);
            }
        }
        None
    }
}
