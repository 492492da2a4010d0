//! Critical sections for one thread without interrupts. They do nothing.

use critical_section::RawRestoreState;

struct Alone;
critical_section::set_impl!(Alone);

// SAFETY: There are no other threads and no interrupts.
unsafe impl critical_section::Impl for Alone {
    // The type of the state depends on the features that other crates enable.
    unsafe fn acquire() -> RawRestoreState {
        RawRestoreState::default()
    }

    unsafe fn release(_: RawRestoreState) {}
}
