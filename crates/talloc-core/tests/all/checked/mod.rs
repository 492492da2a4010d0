//! Checked heaps: they report every misuse before anything changes, report no correct call, and can be walked.

mod exhaustive;
mod faults;
#[cfg(feature = "lock_api")]
mod locked;
mod named;
mod program;
mod resized;
mod sizes;
mod walk;

use std::ptr::NonNull;

pub use crate::common::found::{Note, found};
use talloc_core::Checked;

/// A checked heap whose reports are recorded.
pub type Noted<C> = Checked<C, Note>;

/// Returns a pointer without provenance, which is not a block.
pub fn pointer(addr: usize) -> NonNull<u8> {
    NonNull::new(std::ptr::without_provenance_mut(addr)).unwrap()
}
