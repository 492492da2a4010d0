//! Raw locks for a [`Tallock`](crate::Tallock).
//!
//! `Talloc::new().lock::<Lock>()` puts a heap behind any lock that implements [`RawMutex`].
//!
//! | lock | for |
//! |---|---|
//! | [`Spin`] | little contention, or none; the default |
//! | [`Backoff`] | contention: waiting threads hardly slow the holder down |
//! | [`Ticket`] | contention, if no thread may starve and there are no more threads than cores |
//! | [`TallocCritical`] | interrupt handlers that allocate; cores without atomic instructions |
//! | `parking_lot::RawMutex` | heaps used as an `Allocator`, on an operating system |
//! | [`ErrorChecking`] | detecting a holder that takes the lock again; wraps any other lock |
//!
//! The crate's README shows the time of calls behind each lock; `cargo xtask bench locks` measures it.
//!
//! If many threads use a heap all the time, any lock makes it slow. Caches in front of the heap take the lock seldom: see
#![cfg_attr(target_has_atomic = "ptr", doc = "[`TallocMagazines`](crate::TallocMagazines).")]
#![cfg_attr(not(target_has_atomic = "ptr"), doc = "`TallocMagazines`.")]
//!
//! `parking_lot` itself allocates when a thread has to wait. A heap behind its lock must therefore not be
//! the global allocator: the allocation would wait for the lock again, until the stack overflows.
//!
//! None of these locks is re-entrant. A heap's source runs while the lock is held, so it must use the heap only through its
//! argument. Otherwise it would wait for the lock for ever. The same holds for an interrupt handler if the interrupted
//! code may hold the lock. [`ErrorChecking`] panics instead of waiting.
//!
#![cfg_attr(feature = "critical-section", doc = "[`TallocCritical`]: crate::TallocCritical")]
#![cfg_attr(not(feature = "critical-section"), doc = "[`TallocCritical`]: crate#features")]
#![cfg_attr(not(feature = "spin"), doc = "[`Spin`]: crate#features")]
#![cfg_attr(not(feature = "spin"), doc = "[`Ticket`]: crate#features")]

#[cfg(target_has_atomic = "8")]
mod backoff;
mod error_checking;
#[cfg(target_has_atomic = "8")]
pub(crate) mod machine;

#[cfg(target_has_atomic = "8")]
pub use backoff::Backoff;
pub use error_checking::ErrorChecking;
pub use lock_api::{GetThreadId, MutexGuard, RawMutex};

/// A spin lock, the one of [`Talloc::spin_lock`](crate::Talloc::spin_lock).
///
/// One compare-and-swap takes it. Waiting threads read it until it is free. Which of them gets it is left to chance.
#[cfg(feature = "spin")]
pub type Spin = spin::Mutex<()>;

/// A fair spin lock: threads get it in the order in which they arrive.
///
/// A thread thus waits for at most one turn of each other thread. But if a waiting thread is preempted, all later threads
/// spin until it runs again. With more threads than cores, this happens all the time. Do not use it for more threads than
/// cores.
#[cfg(feature = "spin")]
pub type Ticket = spin::mutex::TicketMutex<()>;
