//! Hearing that a thread of Windows ends: by a callback for a fiber-local value, which comes after the destructors
//! of thread-locals.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Release};

use windows_sys::Win32::System::Threading::{FLS_OUT_OF_INDEXES, FlsAlloc, FlsSetValue};

use super::super::HEAPS;

/// The index of the value, plus one; zero until there is one.
static INDEX: AtomicUsize = AtomicUsize::new(0);

/// Makes the index. It is called once.
pub(in super::super) fn begin() {
    // SAFETY: The function may be called as it will be. If there is no index, threads are guests.
    let index = unsafe { FlsAlloc(Some(at_exit)) };
    if index != FLS_OUT_OF_INDEXES {
        INDEX.store(index as usize + 1, Release);
    }
}

/// Sees to it that the caller's heap is given up when its thread ends. Returns whether that is so.
pub(in super::super) fn watch() -> bool {
    let index = INDEX.load(Acquire);
    // SAFETY: The index has been made. The value must not be null, and is not used.
    index != 0
        && unsafe { FlsSetValue((index - 1) as u32, ptr::without_provenance::<c_void>(1)) != 0 }
}

unsafe extern "system" fn at_exit(_: *const c_void) {
    HEAPS.leave();
}
