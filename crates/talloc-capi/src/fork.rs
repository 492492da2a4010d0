//! Forking while other threads allocate from a heap behind a lock.
//!
//! The child of a process has only the thread that forked. If another thread holds the lock at that time,
//! nobody releases it in the child. So the thread that forks takes the lock first, and releases it in the
//! parent and in the child. The other heap, the zone, and blocks of no bytes need no such care.
//!
//! A signal handler that forks may have interrupted a function of this library, which perhaps holds the lock
//! already. Then nothing is locked: in both processes, the function goes on when the handler returns. If another thread
//! holds the lock meanwhile, the child may only replace itself by another program.

use core::cell::UnsafeCell;

use crate::functions::LIBRARY;
use crate::heap::{CheckingGuard, Inside};

/// The guard, from before a fork until after it.
struct Kept(UnsafeCell<Option<CheckingGuard>>);

// SAFETY: Only the thread that holds the lock accesses it.
unsafe impl Sync for Kept {}

static KEPT: Kept = Kept(UnsafeCell::new(None));

/// Registers the handlers when the library is loaded.
///
/// Handlers that run before a fork run in the reverse order of registration, and those that run after it
/// in the same order. Other handlers may allocate, so these must be registered before others.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static REGISTER: extern "C" fn() = {
    extern "C" fn register() {
        // Without memory for it, little else would work.
        // SAFETY: The handlers may run around any fork.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
    }
    register
};

unsafe extern "C" fn before() {
    if Inside::is_any() {
        return;
    }
    let guard = LIBRARY.heap().lock();
    // SAFETY: This thread holds the lock.
    unsafe { *KEPT.0.get() = Some(guard) };
}

/// Runs in the parent and in the child.
unsafe extern "C" fn after() {
    // Nothing was locked: a guard that is there would be that of another thread, which forks at the same time.
    if Inside::is_any() {
        return;
    }
    // SAFETY: This thread holds the lock, or is the copy of the thread that does, as `before` has locked the heap. The
    // lock is released after the guard has been taken out.
    let guard = unsafe { (*KEPT.0.get()).take() };
    drop(guard);
}
