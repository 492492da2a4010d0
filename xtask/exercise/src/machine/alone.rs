//! Critical sections where there is one thread and no interrupt, so that every section is one.

use critical_section::RawRestoreState;

struct Alone;
critical_section::set_impl!(Alone);

// SAFETY: Nothing runs but the section.
unsafe impl critical_section::Impl for Alone {
    // The state is of what type another crate asks for, if one does.
    unsafe fn acquire() -> RawRestoreState {
        RawRestoreState::default()
    }

    unsafe fn release(_: RawRestoreState) {}
}
