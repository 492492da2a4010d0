//! The index of further arenas. It finds an arena by an address, or by its free memory, in a bounded number of steps.
//!
//! The index lies in the arenas themselves. Each further arena provides the nodes that the tries need for it, in the
//! [`Further`] at the start of its own chunk. The first of them also has the roots. A heap with one arena has no index.

use core::ptr::NonNull;

use super::further::{Further, Position};
use super::{Arena, Place};
use crate::config::Config;
use crate::kind::Kind;
use crate::trie::{Grade, Nothing, Trie};

/// The roots of the tries, and the totals of all further arenas.
pub(super) struct Index<C: Config> {
    by_address: Trie<Nothing>,
    by_position: Trie<u32>,
    /// The arena that was claimed last.
    pub(super) last: Place<C>,
    /// The kinds of the arenas, as bits.
    kinds: u32,
    /// Bytes in which blocks may lie, in all of them.
    pub(super) bytes: usize,
    /// The first of the [untidy](Arena::is_untidy) arenas.
    untidy: Place<C>,
}

impl<C: Config> Index<C> {
    pub(super) const EMPTY: Self = Self {
        by_address: Trie::EMPTY,
        by_position: Trie::EMPTY,
        last: None,
        kinds: 0,
        bytes: 0,
        untidy: None,
    };

    /// Adds an arena.
    ///
    /// # Safety
    ///
    /// The arena's structure lies at `place`, and stays there until it is [removed](Self::remove). The pointer is valid
    /// for all of the arena. The arena overlaps no other arena of the index.
    pub(super) unsafe fn add(&mut self, place: NonNull<Arena<C>>) {
        let further = Further::at(place);
        // SAFETY: The structure is at `place`. No other arena has the same base or number.
        unsafe {
            self.by_address.insert(Further::by_address(further));
            self.by_position.insert(Further::by_position(further));
            let arena = place.as_ref();
            self.kinds |= arena.kind.bit();
            self.bytes += arena.size();
            if arena.is_untidy() {
                self.note_untidy(place);
            }
        }
    }

    /// Removes an arena.
    ///
    /// # Safety
    ///
    /// It is in the index.
    pub(super) unsafe fn remove(&mut self, place: NonNull<Arena<C>>) {
        let further = Further::at(place);
        // SAFETY: The structure is at `place`, and is in the index.
        unsafe {
            self.forget_untidy(place);
            self.by_address.remove(Further::by_address(further));
            self.by_position.remove(Further::by_position(further));
            let arena = place.as_ref();
            self.bytes -= arena.size();
            if self.first_of(arena.kind, 0, 0).is_none() {
                self.kinds &= !arena.kind.bit();
            }
        }
    }

    /// The arena that contains an address between its start and its end.
    #[inline]
    pub(super) fn containing(&self, addr: usize) -> Place<C> {
        // SAFETY: The trie contains entries of further arenas, which stay where they were added.
        let place = |leaf| unsafe { Further::<C>::place_by_address(leaf) };
        // SAFETY: As above.
        let contains = |place: NonNull<Arena<C>>| unsafe { place.as_ref() }.contains(addr);
        // SAFETY: As above.
        match unsafe { self.by_address.near(addr as u64, |leaf| contains(place(leaf))) } {
            Some(leaf) => Some(place(leaf)),
            None => self.up_to(addr).filter(|place| contains(*place)),
        }
    }

    /// The arena that begins at the highest address up to `addr`.
    #[cold]
    #[inline(never)]
    pub(super) fn up_to(&self, addr: usize) -> Place<C> {
        // SAFETY: The trie contains entries of further arenas.
        unsafe {
            let leaf = self.by_address.last_up_to(addr as u64)?;
            Some(Further::place_by_address(leaf))
        }
    }

    /// The first arena of these kinds, from a number on, whose grade is `grade` or higher.
    pub(super) fn first_from(&self, number: u64, grade: u32, kinds: u32) -> Place<C> {
        let mut kinds = kinds & self.kinds;
        let mut first: Option<(u64, NonNull<Arena<C>>)> = None;
        while kinds != 0 {
            let kind = Kind::new(kinds.trailing_zeros() as u8);
            kinds &= kinds - 1;
            if let Some(found) = self.first_of(kind, number, grade) {
                if first.is_none_or(|first| found.0 < first.0) {
                    first = Some(found);
                }
            }
        }
        first.map(|(_, place)| place)
    }

    /// [`first_from`](Self::first_from) of one kind. Also returns the number of the arena.
    fn first_of(&self, kind: Kind, number: u64, grade: u32) -> Option<(u64, NonNull<Arena<C>>)> {
        // SAFETY: The trie contains entries of further arenas.
        unsafe {
            let leaf = self.by_position.first_from(Position::new(kind, number).key(), grade)?;
            let place = Further::<C>::place_by_position(leaf);
            let position = Further::position(Further::at(place));
            position.is_of(kind).then(|| (position.number(), place))
        }
    }

    /// Updates the grade of an arena.
    ///
    /// # Safety
    ///
    /// The arena is in the index.
    pub(super) unsafe fn set_grade(&mut self, place: NonNull<Arena<C>>, grade: u32) {
        // SAFETY: The arena is in the index.
        unsafe {
            let further = Further::at(place);
            if Further::grade(further) != grade {
                self.by_position.set_grade(Further::leaf(further), grade);
            }
        }
    }

    /// Adds an arena to the list of [untidy](Arena::is_untidy) ones.
    ///
    /// # Safety
    ///
    /// The arena is in the index.
    pub(super) unsafe fn note_untidy(&mut self, place: NonNull<Arena<C>>) {
        let further = Further::at(place);
        // SAFETY: The structure is at `place`.
        unsafe {
            if !(*further).is_untidy {
                (*further).is_untidy = true;
                (*further).next_untidy = self.untidy.replace(place);
            }
        }
    }

    /// One of the arenas that [`note_untidy`](Self::note_untidy) was called for.
    pub(super) fn untidy(&self) -> Place<C> {
        self.untidy
    }

    /// Takes an arena out of the list of untidy ones, if it is on the list.
    ///
    /// # Safety
    ///
    /// The arena is in the index.
    unsafe fn forget_untidy(&mut self, place: NonNull<Arena<C>>) {
        let further = Further::at(place);
        // SAFETY: The list leads to structures of further arenas.
        unsafe {
            if !(*further).is_untidy {
                return;
            }
            let mut link: *mut Place<C> = &mut self.untidy;
            while let Some(other) = *link {
                if other == place {
                    *link = (*further).next_untidy;
                    break;
                }
                link = &raw mut (*Further::at(other)).next_untidy;
            }
            ((*further).is_untidy, (*further).next_untidy) = (false, None);
        }
    }

    /// The arena that begins at the lowest address from `addr` on.
    pub(super) fn above(&self, addr: usize) -> Place<C> {
        // SAFETY: The trie contains entries of further arenas.
        unsafe {
            let leaf = self.by_address.first_from(addr as u64, Nothing::NONE)?;
            Some(Further::place_by_address(leaf))
        }
    }
}

/// Checking.
impl<C: Config> Index<C> {
    /// Whether the tries and the list of untidy arenas are in order and complete, and the totals are right.
    pub(super) fn is_in_order(&self, totals: &Totals) -> bool {
        let (mut addresses, mut positions, mut kinds) = (0, 0, 0);
        // SAFETY: The tries contain entries of further arenas.
        unsafe {
            let are_found = self.by_address.check(|leaf| {
                addresses += 1;
                let place = Further::<C>::place_by_address(leaf);
                let arena = place.as_ref();
                arena.control() == place
                    && arena.span().base().map(|base| base as u64) == Some(leaf.as_ref().key)
            });
            let are_placed = self.by_position.check(|leaf| {
                positions += 1;
                let place = Further::<C>::place_by_position(leaf);
                let arena = place.as_ref();
                kinds |= arena.kind.bit();
                arena.control() == place && Further::position(Further::at(place)).is_of(arena.kind)
            });
            are_found
                && are_placed
                && [addresses, positions] == [totals.arenas; 2]
                && (kinds, self.bytes) == (self.kinds, totals.bytes)
                && self.count_untidy(totals.arenas) == Some(totals.untidy)
        }
    }

    /// How many arenas are in the list of untidy ones. `None` if one of them is not marked, or if there are more than
    /// `most`.
    fn count_untidy(&self, most: usize) -> Option<usize> {
        let (mut count, mut next) = (0, self.untidy);
        while let Some(place) = next {
            let further = Further::at(place);
            // SAFETY: The list leads to structures of further arenas.
            let is_marked = unsafe { (*further).is_untidy };
            if count == most || !is_marked {
                return None;
            }
            count += 1;
            // SAFETY: As above.
            next = unsafe { (*further).next_untidy };
        }
        Some(count)
    }
}

#[cfg(test)]
impl<C: Config> Index<C> {
    /// The kinds, and the first of the untidy arenas.
    pub(super) fn parts(&mut self) -> (&mut u32, &mut Place<C>) {
        (&mut self.kinds, &mut self.untidy)
    }
}

/// The totals of the further arenas, counted one by one.
#[derive(Default)]
pub(super) struct Totals {
    /// How many there are.
    pub(super) arenas: usize,
    /// Bytes in which blocks may lie, in all of them.
    pub(super) bytes: usize,
    /// How many are marked as untidy.
    pub(super) untidy: usize,
}
