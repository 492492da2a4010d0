//! For tests: breaks the index.

use super::{Arenas, Further, Place};
use crate::config::Config;

/// A fault of the index.
#[derive(Debug, Clone, Copy)]
pub(in crate::talloc) enum Fault {
    /// The count of the arenas' bytes is wrong.
    Bytes,
    /// The set of kinds is wrong.
    Kinds,
    /// The last claimed arena is wrong.
    Last,
    /// An arena has the wrong predecessor.
    Before,
    /// The numbers of arenas are not in the order of claiming.
    Number,
    /// The kind of an arena does not match its position.
    Kind,
    /// The free size of an arena is wrong.
    Grade,
    /// An arena is marked as untidy, but is not in the list.
    Unlisted,
    /// An arena is in the list, but is not marked.
    Unmarked,
    /// The list is circular.
    Circle,
    /// The missed size is less than an arena before the start of requests has.
    Missed,
}

impl Fault {
    pub(in crate::talloc) const ALL: [Self; 11] = [
        Self::Bytes,
        Self::Kinds,
        Self::Last,
        Self::Before,
        Self::Number,
        Self::Kind,
        Self::Grade,
        Self::Unlisted,
        Self::Unmarked,
        Self::Circle,
        Self::Missed,
    ];
}

impl<C: Config> Arenas<C> {
    /// Breaks the index, which must have at least two further arenas.
    pub(in crate::talloc) fn break_index(&mut self, fault: Fault) {
        let first: Place<C> = self.others;
        let further = Further::at(first.expect("there are further arenas"));
        let index = self.index_mut().expect("there are further arenas");
        let (kinds, untidy) = index.parts();
        // SAFETY: These are structures of further arenas.
        unsafe {
            match fault {
                Fault::Bytes => index.bytes += 8,
                Fault::Kinds => *kinds |= 2,
                Fault::Last => index.last = first,
                Fault::Before => (*further).before = first,
                Fault::Number => Further::swap_numbers(further, (*further).after),
                Fault::Kind => self.arena_at(first).kind = crate::Kind::new(1),
                Fault::Grade => {
                    self.arena_at(first).allocate(20, talloc_span::Align::MIN);
                }
                Fault::Unlisted => (*further).is_untidy = true,
                Fault::Unmarked => *untidy = first,
                Fault::Circle => {
                    *untidy = first;
                    ((*further).is_untidy, (*further).next_untidy) = (true, first);
                }
                Fault::Missed => self.recent = first,
            }
        }
    }
}
