//! Hearing that a thread ends, and that a process has forked.
//!
//! A destructor of a thread-local of `std` would be called too early, as others that come after it still free
//! what they have, and `std` forbids it in a global allocator, as to register it may take memory. A key of POSIX
//! threads comes after all of these.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Release};

use super::super::HEAPS;

/// The key, plus one; zero until there is one.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// Makes the key, and hears of forks. It is called once.
pub(in super::super) fn begin() {
    pin();
    let mut key = 0;
    // SAFETY: The functions may be called as they will be. If there is no key, threads are guests; if forks are not
    // heard of, heaps of other threads stay as they were in the child.
    unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
        if libc::pthread_key_create(&raw mut key, Some(at_exit)) == 0 {
            KEY.store(key as usize + 1, Release);
        }
    }
}

/// Sees to it that the caller's heap is given up when its thread ends. Returns whether that is so.
pub(in super::super) fn watch() -> bool {
    let key = KEY.load(Acquire);
    // SAFETY: The key has been made. The value must not be null, and is not used.
    key != 0
        && unsafe {
            let value = ptr::without_provenance::<c_void>(1);
            libc::pthread_setspecific((key - 1) as libc::pthread_key_t, value) == 0
        }
}

unsafe extern "C" fn at_exit(_: *mut c_void) {
    HEAPS.leave();
}

unsafe extern "C" fn in_child() {
    // SAFETY: A child has one thread.
    unsafe { HEAPS.after_fork() };
}

/// Keeps the library that this code is in loaded, as threads call it when they end.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn pin() {
    let mut info = core::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: There is room for the answer, which names the file that contains the address. A library that is
    // loaded already is not loaded anew, but marked; of anything else, nothing becomes.
    unsafe {
        if libc::dladdr((&raw const KEY).cast(), info.as_mut_ptr()) != 0 {
            let name = info.assume_init().dli_fname;
            if !name.is_null() {
                libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
            }
        }
    }
}

/// Other systems keep what threads may call, or have no such mark.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn pin() {}
