//! A spin lock with exponential backoff.

use core::sync::atomic::Ordering;

use lock_api::{GuardSend, RawMutex};

use super::machine::{AtomicBool, hint};

/// The most pauses between two reads of the lock, as many as in crossbeam's `Backoff`. For the model checker, more than one
/// pause would only add orders to try.
const MAX_PAUSES: u32 = if cfg!(loom) { 1 } else { 64 };

/// A spin lock whose waiters read it less and less often (Anderson 1990).
///
/// Each read by a waiter takes the lock's cache line away from the holder, which slows the holder down. Waiters that read
/// less often let the holder work. The lock is not fair.
///
/// ```
/// use talloc_sync::lock::Backoff;
/// use talloc_sync::{Talloc, Tallock};
///
/// static HEAP: Tallock<Backoff> = Talloc::new().lock();
/// assert!(HEAP.0.lock().get_arena().is_empty());
/// ```
#[derive(Debug)]
pub struct Backoff {
    locked: AtomicBool,
}

impl Backoff {
    /// Waits until the lock is free, and takes it.
    #[cold]
    fn lock_contended(&self) {
        let mut pauses = 1;
        while self.is_locked() || !self.try_lock() {
            (0..pauses).for_each(|_| hint::spin_loop());
            pauses = (2 * pauses).min(MAX_PAUSES);
        }
    }
}

// SAFETY: The lock is held from a swap that found `false` until the store of `false`.
unsafe impl RawMutex for Backoff {
    const INIT: Self = Self { locked: AtomicBool::new(false) };

    type GuardMarker = GuardSend;

    #[inline]
    fn lock(&self) {
        if !self.try_lock() {
            self.lock_contended();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.locked.store(false, Ordering::Release);
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }
}
