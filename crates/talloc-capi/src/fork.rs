//! Forking while other threads allocate from a heap behind a lock.
//!
//! The child of a process has only the thread that forked. If another thread held the lock at that time,
//! nobody would release it in the child. Therefore the forking thread takes the lock first, and releases it in the
//! parent and in the child. The heap without a lock, the zone, and blocks of size zero need no such care.
//!
//! A signal handler that forks may have interrupted a function of this library that already holds the lock. In this
//! case, the lock is not taken: in both processes, the function continues when the handler returns. If another thread
//! holds the lock meanwhile, the child may only execute another program.

use core::cell::UnsafeCell;

use crate::functions::LIBRARY;
use crate::heap::{CheckingGuard, Inside};

/// The guard, from before a fork until after it.
struct Kept(UnsafeCell<Option<CheckingGuard>>);

// SAFETY: Only the thread that holds the lock accesses the guard.
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
        // Ignore a failure: without memory for a handler, little else would work.
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
    // `before` has not taken the lock. A guard would belong to another thread, which forks at the same time.
    if Inside::is_any() {
        return;
    }
    // SAFETY: `before` took the lock, so this thread holds it, or is the child's copy of that thread. The lock is released
    // after the guard has been taken out.
    let guard = unsafe { (*KEPT.0.get()).take() };
    drop(guard);
}
