//! Hearing that a thread ends.
//!
//! A destructor of a thread-local of `std` would be called too early, as others that come after it
//! still free what they have, and `std` forbids it in a global allocator, for to register it may take
//! memory. A key of POSIX threads comes after all of these. If the C library allocates for it, which
//! it does for none of a process's first keys, the thread still shares slots.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::number;

/// The key, plus one; zero until there is one.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// Sees to it that the caller's number is released when its thread ends. Returns whether that is so.
pub(super) fn call_with(number: usize) -> bool {
    let Some(key) = key() else { return false };
    // Null would mean that nothing is to be called.
    let value = ptr::without_provenance::<c_void>(number + 1);
    // SAFETY: The key has been made.
    unsafe { libc::pthread_setspecific(key, value) == 0 }
}

/// Called when a thread ends that has a number.
unsafe extern "C" fn at_exit(value: *mut c_void) {
    super::super::share();
    number::release(value.addr() - 1);
}

/// The key, which is made when it is first needed.
fn key() -> Option<libc::pthread_key_t> {
    let known = KEY.load(Ordering::Acquire);
    if known != 0 {
        return Some((known - 1) as libc::pthread_key_t);
    }
    let mut key = 0;
    // SAFETY: The destructor takes any value that is not null.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(at_exit)) } != 0 {
        return None;
    }
    match KEY.compare_exchange(0, key as usize + 1, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Some(key),
        Err(other) => {
            // SAFETY: Nobody knows of the key.
            unsafe { libc::pthread_key_delete(key) };
            Some((other - 1) as libc::pthread_key_t)
        }
    }
}
