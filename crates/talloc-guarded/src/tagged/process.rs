//! Whether blocks have tags: a decision for the whole process.

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
/// They have tags if the processor and the system support tags, and if no other allocator uses them. The first call or
/// the first allocation decides this for the rest of the process.
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

/// Prepares this thread if blocks have tags. Returns whether they have.
#[cold]
fn prepare() -> bool {
    if state() == UNTAGGED {
        return false;
    }
    // If the system refuses this for the thread, the thread is not checked.
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
            // If another thread has decided meanwhile, its decision counts.
            STATE
                .compare_exchange(UNKNOWN, state, Relaxed, Relaxed)
                .map_or_else(|old| old, |_| state)
        }
        state => state,
    }
}
