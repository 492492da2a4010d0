//! Adding arenas, removing them, and changing their extent.

use core::ptr::NonNull;

use super::{Arenas, Further, Place};
use crate::arena::{Arena, Control};
use crate::config::Config;

/// An arena that has been taken out of the heap, and may be put back.
pub(in crate::talloc) struct Detached<C: Config> {
    pub arena: Arena<C>,
    /// The further arena that was claimed before it, if any.
    before: Place<C>,
    /// Its number in the order of claiming.
    number: u64,
}

impl<C: Config> Arenas<C> {
    /// The room that the next arena leaves for its structure.
    pub(in crate::talloc) fn next_control(&self) -> Control {
        if C::SINGLE_ARENA || self.first.span().is_empty() {
            Control::OUTSIDE
        } else {
            Further::<C>::CONTROL
        }
    }

    /// Adds an arena that was claimed with [`next_control`](Self::next_control). It becomes the first or the last one.
    pub(in crate::talloc) fn add(&mut self, arena: Arena<C>) {
        if C::SINGLE_ARENA || arena.is_controlled_outside() {
            self.first = arena;
            self.begin_with(None);
        } else {
            self.append(arena);
        }
    }

    /// Adds an arena as the last one. It has room for its structure.
    fn append(&mut self, arena: Arena<C>) {
        let before = self.index().and_then(|index| index.last);
        let number = self.number_of(before) + 1;
        self.attach(Detached { arena, before, number });
    }

    /// Takes an arena out of the heap. The memory of its structure may then be overwritten. Requests do not begin with
    /// it any more.
    pub(in crate::talloc) fn detach(&mut self, place: Place<C>) -> Detached<C> {
        let Some(place) = place.filter(|_| !C::SINGLE_ARENA) else {
            // The quick lists still hold blocks of this kind.
            let none = Arena::none_of(self.first.kind);
            let arena = core::mem::replace(&mut self.first, none);
            return Detached { arena, before: None, number: 0 };
        };
        if self.recent == Some(place) {
            self.recent = None;
        }
        let number = self.number_of(Some(place));
        let further = Further::at(place);
        // SAFETY: A place leads to the structure of a further arena, which is in the index (I10). The structure is not
        // used any more after its arena has been read.
        unsafe {
            if let Some(index) = self.index_mut() {
                index.remove(place);
            }
            let (before, after) = ((*further).before, (*further).after);
            if let Some(index) = self.index_mut().filter(|_| after.is_none()) {
                index.last = before;
            }
            if let Some(after) = after {
                (*Further::at(after)).before = before;
            }
            match before {
                Some(before) => (*Further::at(before)).after = after,
                None => self.move_index(after),
            }
            let arena = place.read();
            debug_assert!(!self.overlaps(arena.span(), None), "I10: it is in the heap no longer");
            Detached { arena, before, number }
        }
    }

    /// Puts an arena back to its position in the order of claiming. Returns its place, which has changed if its own
    /// chunk has moved.
    pub(in crate::talloc) fn attach(&mut self, detached: Detached<C>) -> Place<C> {
        let Detached { arena, before, number } = detached;
        if C::SINGLE_ARENA || number == 0 {
            self.first = arena;
            return None;
        }
        debug_assert!(!self.overlaps(arena.span(), None), "I10: arenas do not overlap");
        let place = write_structure(arena, number);
        let further = Further::at(place);
        // SAFETY: The structure has just been written, and its pointer is valid for all of the arena. The others are
        // structures of further arenas (I10).
        unsafe {
            let after = match before {
                Some(before) => (*Further::at(before)).after.replace(place),
                None => self.others,
            };
            ((*further).before, (*further).after) = (before, after);
            if let Some(after) = after {
                (*Further::at(after)).before = Some(place);
            }
            if before.is_none() {
                self.move_index(Some(place));
            }
            if let Some(index) = self.index_mut() {
                if after.is_none() {
                    index.last = Some(place);
                }
                index.add(place);
            }
        }
        Some(place)
    }

    /// Makes `first` the first of the further arenas, and moves the index there.
    ///
    /// # Safety
    ///
    /// `first` is a further arena. If it is `None`, the index is empty.
    unsafe fn move_index(&mut self, first: Place<C>) {
        let last = core::mem::replace(&mut self.others, first);
        if let Some((last, first)) = last.zip(first) {
            // SAFETY: Both are structures of further arenas. The old one has not been overwritten yet.
            unsafe {
                (&raw mut (*Further::at(first)).index)
                    .copy_from(&raw const (*Further::at(last)).index, 1)
            };
        }
    }

    /// Calls `f` with an arena whose extent, and the place of whose structure, may change.
    pub(in crate::talloc) fn with_detached<T>(
        &mut self,
        place: Place<C>,
        f: impl FnOnce(&mut Arena<C>) -> T,
    ) -> T {
        if C::SINGLE_ARENA || place.is_none() {
            let result = f(&mut self.first);
            self.note_change(None);
            return result;
        }
        let was_recent = self.recent == place;
        let mut detached = self.detach(place);
        let result = f(&mut detached.arena);
        let place = self.attach(detached);
        if was_recent {
            self.recent = place;
        }
        self.note_change(place);
        result
    }

    /// Calls `f` with an arena whose end may rise. Its structure stays in its place.
    pub(in crate::talloc) fn with_raised<T>(
        &mut self,
        place: Place<C>,
        f: impl FnOnce(&mut Arena<C>) -> T,
    ) -> T {
        let arena = self.arena_at(place);
        let before = arena.size();
        let result = f(arena);
        debug_assert!(before <= arena.size(), "an arena is raised to a larger one");
        let more = arena.size() - before;
        if let Some(index) = self.index_mut().filter(|_| place.is_some()) {
            index.bytes += more;
        }
        self.note_change(place);
        result
    }
}

/// Writes the structure of a further arena to the arena's own chunk.
fn write_structure<C: Config>(arena: Arena<C>, number: u64) -> NonNull<Arena<C>> {
    debug_assert!(!arena.is_controlled_outside(), "I10: the own chunk has room for it");
    let place = arena.control();
    // SAFETY: The arena's own chunk starts with room for it, which nobody else uses.
    unsafe { Further::at(place).write(Further::new(arena, number)) };
    place
}
