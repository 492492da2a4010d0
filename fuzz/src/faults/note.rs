//! The handler of the heaps that report.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;

use talloc_core::{Misuse, OnMisuse};

use crate::supply::Bomb;

thread_local! {
    static FIRST: RefCell<Option<Misuse>> = const { RefCell::new(None) };
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Notes the first misuse, and returns, or panics with a [`Bomb`] if it is told to.
#[derive(Debug, Clone, Copy)]
pub struct Note;

impl OnMisuse for Note {
    fn misuse(misuse: &Misuse) {
        FIRST.with_borrow_mut(|first| {
            first.get_or_insert(*misuse);
        });
        if PANICS.get() {
            // Without a message.
            resume_unwind(Box::new(Bomb));
        }
    }
}

/// What was reported first since this was last asked.
pub(super) fn take() -> Option<Misuse> {
    FIRST.take()
}

/// Whether anything was reported since [`take`].
pub(super) fn is_any() -> bool {
    FIRST.with_borrow(Option::is_some)
}

/// Says whether the handler shall panic.
pub(super) fn set_panics(panics: bool) {
    PANICS.set(panics);
}
