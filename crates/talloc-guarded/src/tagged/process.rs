//! Whether blocks have tags, which all threads of a process agree on.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::{access, thread};
use crate::start_up::StartUp;
use crate::sys::{self, Cause, tags};

const UNKNOWN: u8 = 0;
const UNTAGGED: u8 = 1;
const TAGGED: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

static START_UP: StartUp = StartUp::new();

/// Whether the blocks of [`Tagged`](crate::Tagged) allocators have tags in this process.
///
/// That is so if the processor and the system have tags, and no other allocator uses them. The first call or the first
/// block decides that, for ever.
///
/// # Examples
///
/// ```
/// use talloc_guarded::has_memory_tags;
///
/// println!("memory errors are {}", if has_memory_tags() { "found" } else { "not found" });
/// ```
pub fn has_memory_tags() -> bool {
    tags::ARE_KNOWN && state() == TAGGED
}

/// Whether blocks have tags. If so, this thread's accesses are checked from now on.
#[inline]
pub fn checks_tags() -> bool {
    tags::ARE_KNOWN && STATE.load(Relaxed) != UNTAGGED && (thread::is_ready() || prepare())
}

/// Prepares this thread, if blocks have tags. Returns whether they do.
#[cold]
fn prepare() -> bool {
    if state() == UNTAGGED {
        return false;
    }
    // If the system refuses what it has done for another thread, this thread is not checked.
    tags::compare(true);
    if START_UP.is_over() {
        sys::watch(Cause::Tag, access::handle);
        thread::set_ready();
    }
    true
}

fn state() -> u8 {
    match STATE.load(Relaxed) {
        UNKNOWN => {
            let are_ours = tags::exist() && !tags::are_compared() && tags::compare(true);
            let state = if are_ours { TAGGED } else { UNTAGGED };
            // What another thread has found meanwhile counts.
            STATE
                .compare_exchange(UNKNOWN, state, Relaxed, Relaxed)
                .map_or_else(|old| old, |_| state)
        }
        state => state,
    }
}
