//! The misuse handler.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;

use talloc_core::{Misuse, OnMisuse};

use crate::supply::Bomb;

thread_local! {
    static FIRST: RefCell<Option<Misuse>> = const { RefCell::new(None) };
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Records the first misuse. Then returns, or panics with a [`Bomb`] if that is set.
#[derive(Debug, Clone, Copy)]
pub struct Note;

impl OnMisuse for Note {
    fn misuse(misuse: &Misuse) {
        FIRST.with_borrow_mut(|first| {
            first.get_or_insert(*misuse);
        });
        if PANICS.get() {
            // This prints no message.
            resume_unwind(Box::new(Bomb));
        }
    }
}

/// Returns the first report since the last call.
pub(super) fn take() -> Option<Misuse> {
    FIRST.take()
}

/// Returns whether anything was reported since [`take`].
pub(super) fn is_any() -> bool {
    FIRST.with_borrow(Option::is_some)
}

/// Sets whether the handler panics.
pub(super) fn set_panics(panics: bool) {
    PANICS.set(panics);
}
