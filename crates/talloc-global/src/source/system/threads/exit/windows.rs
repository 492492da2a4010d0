//! Notification when a thread of Windows ends: the callback of a fiber-local value, which runs after the destructors of
//! thread-locals.

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
    // SAFETY: The callback may be called at the end of a thread. Without an index, all threads are guests.
    let index = unsafe { FlsAlloc(Some(at_exit)) };
    if index != FLS_OUT_OF_INDEXES {
        INDEX.store(index as usize + 1, Release);
    }
}

/// Arranges for the caller's heap to be given up when its thread ends. Returns whether that succeeded.
pub(in super::super) fn watch() -> bool {
    let index = INDEX.load(Acquire);
    // SAFETY: The index exists. The value is not null, as the callback requires, and is not used.
    index != 0
        && unsafe { FlsSetValue((index - 1) as u32, ptr::without_provenance::<c_void>(1)) != 0 }
}

unsafe extern "system" fn at_exit(_: *const c_void) {
    HEAPS.leave();
}
