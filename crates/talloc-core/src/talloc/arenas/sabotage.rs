//! For tests: breaking the index.

use super::{Arenas, Further, Place};
use crate::config::Config;

/// What can be wrong with the index.
#[derive(Debug, Clone, Copy)]
pub(in crate::talloc) enum Fault {
    /// The arenas have another size.
    Bytes,
    /// There is another kind.
    Kinds,
    /// The arena claimed last is another one.
    Last,
    /// An arena comes after another one than it does.
    Before,
    /// Arenas have numbers that are not in the order of claiming.
    Number,
    /// An arena has another kind than its position says.
    Kind,
    /// What is free in an arena has changed.
    Grade,
    /// An arena is marked as untidy, but is not in their list.
    Unlisted,
    /// An arena is in the list, but is not marked.
    Unmarked,
    /// The list goes round in a circle.
    Circle,
    /// Requests have missed less than an arena has in which they do not begin any more.
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
    /// Breaks the index of two further arenas or more.
    pub(in crate::talloc) fn break_index(&mut self, fault: Fault) {
        let first: Place<C> = self.others;
        let further = Further::at(first.expect("there are further arenas"));
        let index = self.index_mut().expect("there are further arenas");
        let (kinds, untidy) = index.parts();
        // SAFETY: It is the structure of a further arena.
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
