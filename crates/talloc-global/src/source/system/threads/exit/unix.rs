//! Notification when a thread ends, and after a fork.
//!
//! A thread-local of `std` with a destructor would not do. Its destructor would run before those of other thread-locals,
//! which still free blocks. Besides, `std` forbids such a thread-local in a global allocator, because to register a
//! destructor may allocate. The destructor of a POSIX thread key runs after all of them.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Release};

use super::super::HEAPS;

/// The key, plus one; zero until there is one.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// Makes the key, and registers the handler of forks. It is called once.
pub(in super::super) fn begin() {
    pin();
    let mut key = 0;
    // SAFETY: The handlers may be called at the end of a thread and after a fork. Without a key, all threads are guests.
    // Without the handler of forks, the child cannot take over the heaps of other threads.
    unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
        if libc::pthread_key_create(&raw mut key, Some(at_exit)) == 0 {
            KEY.store(key as usize + 1, Release);
        }
    }
}

/// Arranges for the caller's heap to be given up when its thread ends. Returns whether that succeeded.
pub(in super::super) fn watch() -> bool {
    let key = KEY.load(Acquire);
    // SAFETY: The key exists. The value is not null, as a destructor requires, and is not used.
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
    // SAFETY: This is the child of a fork, which has one thread.
    unsafe { HEAPS.after_fork() };
}

/// Keeps the library with this code loaded, because threads call it when they end.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn pin() {
    let mut info = core::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `info` has room for the answer, the file that contains the address. `dlopen` with these flags marks a
    // library that is already loaded, and loads nothing.
    unsafe {
        if libc::dladdr((&raw const KEY).cast(), info.as_mut_ptr()) != 0 {
            let name = info.assume_init().dli_fname;
            if !name.is_null() {
                libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
            }
        }
    }
}

/// Does nothing: other systems keep such libraries loaded, or have no such mark.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn pin() {}
