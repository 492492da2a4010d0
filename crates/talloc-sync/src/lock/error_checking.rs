//! A lock that records its holder.

use core::sync::atomic::{AtomicUsize, Ordering};

use lock_api::{GetThreadId, GuardNoSend, RawMutex};

/// The value of `owner` while nobody holds the lock. It is no thread's id.
const NOBODY: usize = 0;

/// A lock that panics if its holder takes it again. Other locks would wait for ever.
///
/// The name is from POSIX, which has such a lock. It finds misuse of a [`Tallock`]: while a thread holds the guard of the
/// heap, or while the heap's source runs, the thread must use the heap only through the guard or the source's argument.
///
/// `R` is the underlying lock. `G` distinguishes possible holders: threads, or the cores of a machine without threads. On
/// an operating system, use `parking_lot::RawThreadId`.
///
/// # Cost
///
/// The lock has an additional word, which it writes whenever it is taken and released. Each time it is taken, it also asks
/// `G` for an id. This is meant for debugging. If an id is cheap, such as the number of a core in a register, the lock can
/// also be used in production.
///
/// # Panics
///
/// [`lock`](RawMutex::lock) panics if the caller holds the lock.
/// [`try_lock`](RawMutex::try_lock) never waits, and returns `false` in this case.
///
/// A global allocator must not unwind. If a global allocator uses this lock, build the program with
/// `panic = "abort"`. The panic message is still printed, but a longer message may need memory.
///
/// # Limits
///
/// The id must stay the same as long as the lock is held. Core numbers do not work if a thread
/// may move to another core meanwhile.
///
/// The lock also detects an interrupt handler that uses the heap while the interrupted code holds the lock, if both have
/// the same id. It does not detect this if the interrupt comes between taking the lock and recording the holder.
/// [`TallocCritical`] is the heap for interrupt handlers.
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
/// // Another lock would wait for ever here.
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
    /// The id of the holder, or [`NOBODY`].
    ///
    /// Relaxed accesses suffice. A caller only compares the value with its own id, which only the caller itself writes and
    /// replaces.
    owner: AtomicUsize,
}

impl<R, G: GetThreadId> ErrorChecking<R, G> {
    /// The id of the caller.
    #[inline]
    fn caller(&self) -> usize {
        self.ids.nonzero_thread_id().get()
    }
}

// SAFETY: This lock is taken and released together with the underlying lock, which upholds the contract.
unsafe impl<R: RawMutex, G: GetThreadId> RawMutex for ErrorChecking<R, G> {
    const INIT: Self = Self { raw: R::INIT, ids: G::INIT, owner: AtomicUsize::new(NOBODY) };

    /// The thread that takes the lock must release it. Otherwise the recorded holder would be wrong.
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

/// Panics instead of a deadlock.
#[cold]
#[inline(never)]
#[track_caller]
fn waits_for_itself() -> ! {
    panic!(
        "a lock is waited for by the one who holds it; a heap must not be used again in its \
         source, nor while its guard lives"
    )
}
