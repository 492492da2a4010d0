//! Whether a thread's accesses are checked.

use std::cell::Cell;

use crate::sys::tags;

thread_local! {
    static IS_READY: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread needs nothing more before it allocates.
#[inline(always)]
pub fn is_ready() -> bool {
    IS_READY.get()
}

/// Notes that this thread needs nothing more.
pub fn set_ready() {
    IS_READY.set(true);
}

/// Lets this thread access all memory, until it allocates again.
pub fn stop_checking() {
    IS_READY.set(false);
    tags::compare(false);
}
