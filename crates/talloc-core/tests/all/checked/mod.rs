//! Checked heaps: every misuse is named before anything changes, no legal call is, and the heap can
//! be walked.

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

/// A checked heap that notes what is reported.
pub type Noted<C> = Checked<C, Note>;

/// A pointer to an address that is no block.
pub fn pointer(addr: usize) -> NonNull<u8> {
    NonNull::new(std::ptr::without_provenance_mut(addr)).unwrap()
}
