//! Slots of threads.

#[cfg(all(target_os = "linux", not(any(miri, loom))))]
mod own;
#[cfg(not(all(target_os = "linux", not(any(miri, loom)))))]
#[path = "none.rs"]
mod own;

extern crate std;

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Pick, Place};

/// Gives each thread a slot when it first allocates.
///
/// On Linux, it is the thread's own until the thread ends; the next thread goes on with what is in
/// it. This takes the system call `membarrier`, of Linux 4.14; where there is none, on other systems,
/// and where there are more threads than slots that may have owners, threads share slots: two
/// threads whose numbers mean the same one part when they find each other there and another slot is
/// not in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByThread;

std::thread_local! {
    // It needs no destructor, which would have to be registered, for which memory may be needed.
    static PLACE: Cell<Place> = const { Cell::new(Place::UNKNOWN) };
}

// SAFETY: `own::claim` gives each number to one thread at a time, until that ends, when the thread shares slots
// from then on before it releases the number. The barrier is one for all threads of the process.
unsafe impl Pick for ByThread {
    #[inline(always)]
    fn pick() -> Place {
        PLACE.get()
    }

    #[inline]
    fn settle() -> Place {
        match PLACE.get() {
            Place::UNKNOWN => first(),
            place => place,
        }
    }

    #[inline]
    fn moved(number: usize) {
        PLACE.set(Place::shared(number));
    }

    fn barrier() -> bool {
        own::barrier()
    }
}

#[cold]
fn first() -> Place {
    // For what allocates meanwhile.
    share();
    if let Some(place) = own::claim() {
        PLACE.set(place);
    }
    PLACE.get()
}

/// Lets the thread share slots from now on.
fn share() {
    /// The number of the next thread.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    PLACE.set(Place::shared(NEXT.fetch_add(1, Ordering::Relaxed)));
}
