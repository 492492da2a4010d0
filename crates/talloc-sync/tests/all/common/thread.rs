//! The identity of threads.

use core::num::NonZero;

use talloc_sync::lock::GetThreadId;

/// Identifies a thread by the address of a thread-local variable, which needs no allocation.
pub struct Thread;

// SAFETY: Variables of different threads have different addresses, none of which is zero.
unsafe impl GetThreadId for Thread {
    const INIT: Self = Self;

    fn nonzero_thread_id(&self) -> NonZero<usize> {
        thread_local!(static PLACE: u8 = const { 0 });
        PLACE.with(|place| (&raw const *place).addr().try_into().unwrap())
    }
}
