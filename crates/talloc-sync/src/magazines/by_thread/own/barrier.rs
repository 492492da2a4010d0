//! The heavy barrier: a system call that is a fence in all threads of the process.

use core::sync::atomic::{AtomicU8, Ordering};

use rustix::thread::{MembarrierCommand, membarrier};

const UNKNOWN: u8 = 0;
const AVAILABLE: u8 = 1;
const REFUSED: u8 = 2;

/// Whether the process has registered for it.
static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether the kernel provides it.
pub(super) fn is_available() -> bool {
    match STATE.load(Ordering::Relaxed) {
        UNKNOWN => register(),
        state => state == AVAILABLE,
    }
}

#[cold]
fn register() -> bool {
    // It does not matter if two threads do.
    let registered = membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok();
    STATE.store(if registered { AVAILABLE } else { REFUSED }, Ordering::Relaxed);
    registered
}

/// Lets all threads pass a barrier. Returns whether the kernel has done that.
pub(in crate::magazines::by_thread) fn pass() -> bool {
    membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}
