//! A lock that knows who holds it.

use core::sync::atomic::{AtomicUsize, Ordering};

use lock_api::{GetThreadId, GuardNoSend, RawMutex};

/// No thread's id.
const NOBODY: usize = 0;

/// A lock that panics where another one would wait for itself for ever.
///
/// POSIX has the same under this name. It finds what must not be done with a [`Tallock`]: to
/// allocate from the heap, other than by what one has been given, in its source or while its guard
/// lives.
///
/// `R` is the lock proper, and `G` tells apart who may hold it: threads, or the cores of a machine
/// without threads. Where there is an operating system, `parking_lot::RawThreadId` will do.
///
/// # Cost
///
/// A word, which is written whenever the lock is taken and released; and `G` is asked for an id
/// each time it is taken. That is for debugging, but where an id costs next to nothing, such as the
/// number of a core in a register, it may as well stay.
///
/// # Panics
///
/// [`lock`](RawMutex::lock) panics if the lock is held by the one who calls it.
/// [`try_lock`](RawMutex::try_lock) never waits, and returns `false`.
///
/// A global allocator must not unwind. So build a program whose global allocator has this lock with
/// `panic = "abort"`. What is wrong is said all the same, though to say more may need memory.
///
/// # Limits
///
/// The id must stay the same for as long as the lock is held. Core numbers are no good if a thread
/// may be moved to another core meanwhile.
///
/// An interrupt handler that uses the heap while the code that it interrupts holds the lock is
/// found out, too, if both have the same id; but not if the interrupt comes in the moment between
/// the lock's being taken and its owner's being noted. [`TallocCritical`] is the heap for
/// interrupts.
///
/// # Examples
///
/// ```
/// use core::num::NonZero;
/// use talloc_sync::lock::{Backoff, ErrorChecking, GetThreadId};
/// use talloc_sync::{Talloc, Tallock};
///
/// struct Thread;
///
/// // SAFETY: No two threads' variables have the same address, which is not zero.
/// unsafe impl GetThreadId for Thread {
///     const INIT: Self = Self;
///
///     fn nonzero_thread_id(&self) -> NonZero<usize> {
///         thread_local!(static PLACE: u8 = const { 0 });
///         PLACE.with(|place| (&raw const *place).addr().try_into().unwrap())
///     }
/// }
///
/// static HEAP: Tallock<ErrorChecking<Backoff, Thread>> = Talloc::new().lock();
///
/// let guard = HEAP.0.lock();
/// // It would be for ever that this waits.
/// let waits = std::panic::catch_unwind(|| HEAP.0.lock().verify().is_ok());
/// assert!(waits.is_err());
/// ```
///
/// [`Tallock`]: crate::Tallock
#[cfg_attr(feature = "critical-section", doc = "[`TallocCritical`]: crate::TallocCritical")]
#[cfg_attr(not(feature = "critical-section"), doc = "[`TallocCritical`]: crate#features")]
#[derive(Debug)]
pub struct ErrorChecking<R, G> {
    raw: R,
    ids: G,
    /// Who holds the lock, or [`NOBODY`].
    ///
    /// It needs no ordering. One's own id was written by oneself, and one reads it until one has
    /// written something else. Whatever else is read is not one's own id.
    owner: AtomicUsize,
}

impl<R, G: GetThreadId> ErrorChecking<R, G> {
    /// The id of the caller.
    #[inline]
    fn caller(&self) -> usize {
        self.ids.nonzero_thread_id().get()
    }
}

// SAFETY: The lock proper excludes others, and is taken and released whenever this is.
unsafe impl<R: RawMutex, G: GetThreadId> RawMutex for ErrorChecking<R, G> {
    const INIT: Self = Self { raw: R::INIT, ids: G::INIT, owner: AtomicUsize::new(NOBODY) };

    /// Who takes the lock releases it, too: if another one did, it would be held by nobody that can
    /// be told.
    type GuardMarker = GuardNoSend;

    #[inline]
    #[track_caller]
    fn lock(&self) {
        let caller = self.caller();
        if self.owner.load(Ordering::Relaxed) == caller {
            waits_for_itself();
        }
        self.raw.lock();
        self.owner.store(caller, Ordering::Relaxed);
    }

    #[inline]
    fn try_lock(&self) -> bool {
        let caller = self.caller();
        let locked = self.raw.try_lock();
        if locked {
            self.owner.store(caller, Ordering::Relaxed);
        }
        locked
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.owner.store(NOBODY, Ordering::Relaxed);
        // SAFETY: The caller holds the lock.
        unsafe { self.raw.unlock() }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }
}

/// Panics where there would be a deadlock.
#[cold]
#[inline(never)]
#[track_caller]
fn waits_for_itself() -> ! {
    panic!(
        "a lock is waited for by the one who holds it; a heap must not be used again in its \
         source, nor while its guard lives"
    )
}
