//! Critical sections, where there are no interrupts: one lock for the whole program.

use critical_section::{Impl, RawRestoreState};
use lock_api::RawReentrantMutex;
use parking_lot::{RawMutex, RawThreadId};

static SECTION: RawReentrantMutex<RawMutex, RawThreadId> = RawReentrantMutex::INIT;

struct Sections;
critical_section::set_impl!(Sections);

// SAFETY: The lock excludes all threads but the one in the section, and has the ordering.
unsafe impl Impl for Sections {
    unsafe fn acquire() -> RawRestoreState {
        SECTION.lock();
        RawRestoreState::default()
    }

    unsafe fn release(_: RawRestoreState) {
        // SAFETY: This thread has locked it.
        unsafe { SECTION.unlock() };
    }
}
