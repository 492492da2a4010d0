//! A handler that remembers what a heap reports.

use std::cell::RefCell;

use talloc_core::{Misuse, OnMisuse};

thread_local! {
    static FOUND: RefCell<Vec<Misuse>> = const { RefCell::new(Vec::new()) };
}

/// Notes what is reported.
pub struct Note;

impl OnMisuse for Note {
    fn misuse(misuse: &Misuse) {
        FOUND.with_borrow_mut(|found| found.push(*misuse));
    }
}

/// What has been reported since this was last asked.
pub fn found() -> Vec<Misuse> {
    FOUND.take()
}
