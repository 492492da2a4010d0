//! The order in which requests try the arenas.
//!
//! The *grade* of an arena is how many granules it surely has in one piece. The index stores the grades of all further
//! arenas, by which it finds the first arena with room for a request. Only the grade of the arena where requests begin
//! may be out of date, because allocating and freeing there does not update the index.
//!
//! Requests begin with an arena that has had room for a small block. All arenas before it have fewer than `missed`
//! granules in one piece. A request for fewer granules first looks for an arena before it. Each request is therefore
//! served by the first arena that surely has room.

use core::ptr::NonNull;

use super::index::Totals;
use super::{Arenas, Further, Place};
use crate::arena::Arena;
use crate::config::Config;

/// A request for up to this many granules is small. Small requests decide where requests begin: with the first arena
/// that has this many granules in one piece.
const SMALL: u32 = 128;

/// All kinds of memory.
pub(in crate::talloc) const ANY: u32 = u32::MAX;

/// The conditions on an arena for a request.
#[derive(Clone, Copy)]
pub(in crate::talloc) struct Wanted {
    /// The lowest number in the order of claiming.
    pub from: u64,
    /// The lowest grade.
    pub grade: u32,
    /// The suitable kinds, as bits.
    pub kinds: u32,
}

impl<C: Config> Arenas<C> {
    /// The number of an arena in the order of claiming.
    pub(in crate::talloc) fn number_of(&self, place: Place<C>) -> u64 {
        match place {
            _ if C::SINGLE_ARENA => 0,
            None => 0,
            // SAFETY: A place leads to the structure of a further arena (I10).
            Some(place) => unsafe { Further::position(Further::at(place)) }.number(),
        }
    }

    /// The first arena that meets the conditions.
    pub(in crate::talloc) fn first_with(&self, wanted: &Wanted) -> Option<Place<C>> {
        let is_first = wanted.from == 0
            && self.first.kind.bit() & wanted.kinds != 0
            && self.first.grade() >= wanted.grade;
        if is_first {
            return Some(None);
        }
        self.index()?.first_from(wanted.from, wanted.grade, wanted.kinds).map(Some)
    }

    /// Whether requests begin with a further arena.
    #[inline(always)]
    pub(in crate::talloc) fn begins_late(&self) -> bool {
        !C::SINGLE_ARENA && self.recent.is_some()
    }

    /// Lets requests begin with an arena. If it is later than the present one, the caller has set `missed`.
    pub(in crate::talloc) fn begin_with(&mut self, place: Place<C>) {
        let last = core::mem::replace(&mut self.recent, place);
        if last != place {
            self.note_change(last);
        }
    }

    /// Lets requests begin with the first arena whose grade was `grade` or higher, unless the request was large.
    pub(in crate::talloc) fn begin_after(&mut self, place: Place<C>, grade: u32) {
        if grade <= SMALL {
            self.missed = grade;
            self.begin_with(place);
        }
    }

    /// The first arena whose grade is `grade` or higher, if it comes before the one where requests begin.
    pub(in crate::talloc) fn earlier_with(&mut self, grade: u32) -> Option<Place<C>> {
        if grade >= self.missed {
            return None;
        }
        let first = self.first_with(&Wanted { from: 0, grade, kinds: ANY });
        let earlier = first.filter(|place| self.is_before(*place, self.recent));
        if earlier.is_none() {
            self.missed = grade;
        }
        earlier
    }

    fn is_before(&self, place: Place<C>, other: Place<C>) -> bool {
        self.number_of(place) < self.number_of(other)
    }

    /// Updates the index after the free memory of the arena at `place` has changed.
    pub(in crate::talloc) fn note_change(&mut self, place: Place<C>) {
        if C::SINGLE_ARENA || place == self.recent {
            return;
        }
        let grade = self.peek(place).grade();
        if let Some(place) = place {
            self.set_grade(place, grade);
        }
        if grade >= self.missed && self.is_before(place, self.recent) {
            if grade >= SMALL {
                self.begin_with(place);
            } else {
                self.missed = grade + 1;
            }
        }
    }

    /// Updates the index after a block has been given back to the arena at `place`.
    pub(in crate::talloc) fn note_freed(&mut self, place: Place<C>) {
        if let Some(further) = place.filter(|_| self.peek(place).is_untidy()) {
            if let Some(index) = self.index_mut() {
                // SAFETY: A place leads to the structure of a further arena, which is in the index (I10).
                unsafe { index.note_untidy(further) };
            }
        }
        self.note_change(place);
    }

    /// Updates the grade of the arena where requests begin.
    pub(in crate::talloc) fn note_recent(&mut self) {
        if let Some(place) = self.recent.filter(|_| !C::SINGLE_ARENA) {
            let grade = self.peek(Some(place)).grade();
            self.set_grade(place, grade);
        }
    }

    fn set_grade(&mut self, place: NonNull<Arena<C>>, grade: u32) {
        if let Some(index) = self.index_mut() {
            // SAFETY: The arena is in the index.
            unsafe { index.set_grade(place, grade) };
        }
    }

    /// A further arena that may be [untidy](Arena::is_untidy), if there is one.
    pub(in crate::talloc) fn untidy(&self) -> Place<C> {
        self.index()?.untidy()
    }
}

/// Checking.
impl<C: Config> Arenas<C> {
    /// Checks invariant I13: the index has all further arenas in the order of claiming, with their grades. No arena
    /// before the one where requests begin has `missed` granules in one piece.
    pub(in crate::talloc) fn is_indexed(&self) -> bool {
        let Some(index) = self.index() else { return true };
        let (mut totals, mut last) = (Totals::default(), None);
        let mut is_earlier = true;
        for place in self.places() {
            let arena = self.peek(place);
            is_earlier &= place != self.recent;
            if is_earlier && arena.grade() >= self.missed {
                return false;
            }
            let Some(further) = place else { continue };
            // SAFETY: A place leads to the structure of a further arena (I10).
            let (before, grade, is_marked) = unsafe {
                let further = Further::at(further);
                ((*further).before, Further::grade(further), (*further).is_untidy)
            };
            let is_graded = grade == arena.grade() || place == self.recent;
            let is_noted = is_marked || !arena.is_untidy();
            let is_found = self.place_with(arena.span()) == Ok(place);
            let is_later = self.is_before(last, place);
            if before != last || !is_graded || !is_noted || !is_found || !is_later {
                return false;
            }
            totals.arenas += 1;
            totals.bytes += arena.size();
            totals.untidy += usize::from(is_marked);
            last = place;
        }
        index.last == last && index.is_in_order(&totals)
    }
}
