//! The order in which arenas are asked for memory, and which of them have any.
//!
//! The *grade* of an arena is how many granules it has for sure in one piece. The index has the grades of all further
//! arenas, and so the first one that has room for a request is found at once. The arena where requests begin is the
//! exception: its grade is brought up to date when requests begin elsewhere, or an arena is looked for.

use core::ptr::NonNull;

use super::{Arenas, Further, Place};
use crate::arena::Arena;
use crate::config::Config;

/// Requests for no more granules are small. An arena that has fewer in one piece is not where they begin, as long as
/// others have room.
pub(in crate::talloc) const SMALL: usize = 128;

/// What an arena needs so that a request is tried there.
#[derive(Clone, Copy)]
pub(in crate::talloc) struct Wanted {
    /// The arena's number in the order of claiming, at the least.
    pub from: u64,
    /// The grade, at the least.
    pub grade: u32,
    /// The kinds that will do, as bits.
    pub kinds: u32,
}

impl<C: Config> Arenas<C> {
    /// The number of an arena in the order of claiming.
    pub(in crate::talloc) fn number_of(&self, place: Place<C>) -> u64 {
        match place {
            _ if C::SINGLE_ARENA => 0,
            None => 0,
            // SAFETY: Places lead to the structures of further arenas (I10).
            Some(place) => unsafe { Further::position(Further::at(place)) }.number(),
        }
    }

    /// The first arena that may have what is wanted.
    pub(in crate::talloc) fn first_with(&self, wanted: &Wanted) -> Option<Place<C>> {
        let is_first = wanted.from == 0
            && self.first.kind.bit() & wanted.kinds != 0
            && self.first.grade() >= wanted.grade;
        if is_first {
            return Some(None);
        }
        self.index()?.first_from(wanted.from, wanted.grade, wanted.kinds).map(Some)
    }

    /// Has requests begin with an arena.
    pub(in crate::talloc) fn begin_with(&mut self, place: Place<C>) {
        let last = core::mem::replace(&mut self.recent, place);
        if last != place {
            self.note_change(last);
        }
    }

    /// Has requests begin with the arena at `place`, if that has room for small blocks and was claimed before the one
    /// where they do.
    pub(in crate::talloc) fn note_room(&mut self, place: Place<C>) {
        if place != self.recent
            && self.number_of(place) < self.number_of(self.recent)
            && self.peek(place).grade() >= SMALL as u32
        {
            self.begin_with(place);
        }
    }

    /// Notes that what is free in the arena at `place` has changed.
    pub(in crate::talloc) fn note_change(&mut self, place: Place<C>) {
        if C::SINGLE_ARENA || place == self.recent {
            return;
        }
        if let Some(place) = place {
            self.note_grade(place);
        }
    }

    /// Brings the grade up to date of the arena where requests begin.
    pub(in crate::talloc) fn settle(&mut self) {
        if let Some(place) = self.recent {
            self.note_grade(place);
        }
    }

    /// Notes that a block has been given back to the arena at `place`.
    pub(in crate::talloc) fn note_freed(&mut self, place: Place<C>) {
        let grade = self.peek(place).grade();
        let is_earlier = self.number_of(place) < self.number_of(self.recent);
        if let Some(place) = place {
            self.set_grade(place, grade);
            if self.peek(Some(place)).is_untidy() {
                if let Some(index) = self.index_mut() {
                    // SAFETY: Places lead to the structures of further arenas, which are in the index (I10).
                    unsafe { index.note_untidy(place) };
                }
            }
        }
        if is_earlier && grade >= SMALL as u32 {
            self.begin_with(place);
        }
    }

    fn note_grade(&mut self, place: NonNull<Arena<C>>) {
        // SAFETY: Places lead to the structures of further arenas (I10).
        let grade = unsafe { place.as_ref() }.grade();
        self.set_grade(place, grade);
    }

    fn set_grade(&mut self, place: NonNull<Arena<C>>, grade: u32) {
        if let Some(index) = self.index_mut() {
            // SAFETY: The arena is in the index.
            unsafe { index.set_grade(place, grade) };
        }
    }

    /// A further arena whose own chunk is in the way, if there is one.
    pub(in crate::talloc) fn untidy(&self) -> Place<C> {
        self.index()?.untidy()
    }
}

/// Checking.
impl<C: Config> Arenas<C> {
    /// Invariant I13: the index has all further arenas, in the order of claiming, and their grades.
    pub(in crate::talloc) fn is_indexed(&self) -> bool {
        let Some(index) = self.index() else { return true };
        let (mut arenas, mut bytes, mut last) = (0, 0, None);
        for place in self.places().skip(1).flatten() {
            let arena = self.peek(Some(place));
            // SAFETY: Places lead to the structures of further arenas (I10).
            let (before, grade) = unsafe {
                let further = Further::at(place);
                ((*further).before, Further::grade(further))
            };
            let is_graded = grade == arena.grade() || Some(place) == self.recent;
            let is_later = self.number_of(last) < self.number_of(Some(place));
            let is_found = self.place_with(arena.span()) == Ok(Some(place));
            if before != last || !is_graded || !is_later || !is_found {
                return false;
            }
            (arenas, bytes, last) = (arenas + 1, bytes + arena.size(), Some(place));
        }
        index.last == last && index.is_in_order(arenas, bytes)
    }
}
