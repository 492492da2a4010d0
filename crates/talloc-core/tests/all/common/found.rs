//! A handler that records reports.

use std::cell::RefCell;

use talloc_core::{Misuse, OnMisuse};

thread_local! {
    static FOUND: RefCell<Vec<Misuse>> = const { RefCell::new(Vec::new()) };
}

/// Records reports.
pub struct Note;

impl OnMisuse for Note {
    fn misuse(misuse: &Misuse) {
        FOUND.with_borrow_mut(|found| found.push(*misuse));
    }
}

/// Returns the reports since the last call.
pub fn found() -> Vec<Misuse> {
    FOUND.take()
}
