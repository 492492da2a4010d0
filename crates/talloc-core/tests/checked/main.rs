//! Checked heaps: every misuse is named before anything changes, no legal call is, and the heap can
//! be walked.

#[path = "../common/mod.rs"]
mod common;
mod exhaustive;
mod faults;
#[cfg(feature = "lock_api")]
mod locked;
mod named;
mod program;
mod sizes;
mod walk;

use std::cell::RefCell;
use std::ptr::NonNull;

use talloc_core::{Checked, Misuse, OnMisuse};

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

/// A checked heap that notes what is reported.
pub type Noted<C> = Checked<C, Note>;

/// What has been reported since this was last asked.
pub fn found() -> Vec<Misuse> {
    FOUND.take()
}

/// A pointer to an address that is no block.
pub fn pointer(addr: usize) -> NonNull<u8> {
    NonNull::new(std::ptr::without_provenance_mut(addr)).unwrap()
}
