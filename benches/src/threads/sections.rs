//! Critical sections on a machine without interrupts: one lock for the whole program.

use critical_section::{Impl, RawRestoreState};
use lock_api::RawReentrantMutex;
use parking_lot::{RawMutex, RawThreadId};

static SECTION: RawReentrantMutex<RawMutex, RawThreadId> = RawReentrantMutex::INIT;

struct Sections;
critical_section::set_impl!(Sections);

// SAFETY: The lock admits only one thread to the section, and orders its accesses.
unsafe impl Impl for Sections {
    unsafe fn acquire() -> RawRestoreState {
        SECTION.lock();
        RawRestoreState::default()
    }

    unsafe fn release(_: RawRestoreState) {
        // SAFETY: This thread has taken the lock in `acquire`.
        unsafe { SECTION.unlock() };
    }
}
