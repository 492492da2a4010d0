//! Whether a thread's accesses are checked.

use std::cell::Cell;

use crate::sys::tags;

thread_local! {
    static IS_READY: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread has been prepared for allocating.
#[inline(always)]
pub fn is_ready() -> bool {
    IS_READY.get()
}

/// Records that this thread has been prepared.
pub fn set_ready() {
    IS_READY.set(true);
}

/// Switches off checking for this thread, until it allocates again.
pub fn stop_checking() {
    IS_READY.set(false);
    tags::compare(false);
}
