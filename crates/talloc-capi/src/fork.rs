//! Forking while other threads allocate.
//!
//! Of a process's threads, its child has the one that forked. What others were about to do is not
//! done. So the thread that forks waits for the heap first, keeps it, and lets it go in the parent
//! and in the child, where it is whole.
//!
//! The caches in front of the heap need no such care. A slot or a list of the depot that another
//! thread was using is in use for ever in the child, and nobody waits for one: it is passed by. What
//! it holds, a few KiB, is lost there. All others are as good as in the parent.

use core::cell::UnsafeCell;

use crate::functions::{Chosen, LIBRARY};
use crate::heap::{Guard, Heap};

/// The heap, from before a fork until after it.
struct Kept(UnsafeCell<Option<Guard<<Chosen as Heap>::Config>>>);

// SAFETY: Only the thread that has the heap looks at it.
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
    let guard = LIBRARY.lock();
    // SAFETY: This thread has the heap.
    unsafe { *KEPT.0.get() = Some(guard) };
}

/// In the parent and in the child.
unsafe extern "C" fn after() {
    // SAFETY: This thread has the heap, or is the copy of the one that has. It is let go when it is no
    // longer kept.
    let guard = unsafe { (*KEPT.0.get()).take() };
    drop(guard);
}
