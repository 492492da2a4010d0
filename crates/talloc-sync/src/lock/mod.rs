//! Raw locks for a [`Tallock`](crate::Tallock).
//!
//! Every lock of [`lock_api`]'s kind will do: `Talloc::new().lock::<Lock>()` puts a heap behind it.
//!
//! | lock | for |
//! |---|---|
//! | [`Spin`] | little contention, or none; the default |
//! | [`Backoff`] | contention: waiting threads let the one that holds the lock work |
//! | [`Ticket`] | contention where none must starve, and no more threads than cores |
//! | [`TallocCritical`] | interrupt handlers that allocate; cores without atomic instructions |
//! | `parking_lot::RawMutex` | heaps used as an `Allocator`, where there is an operating system |
//! | [`ErrorChecking`] | finding out who waits for itself, around any of the other locks |
//!
//! How long calls take behind each of them, the crate's README tells; `cargo xtask bench locks` measures
//! it.
//!
//! A lock does not make a heap fast that many threads use all the time: then take it seldom, by
#![cfg_attr(target_has_atomic = "ptr", doc = "[`TallocMagazines`](crate::TallocMagazines).")]
#![cfg_attr(not(target_has_atomic = "ptr"), doc = "`TallocMagazines`.")]
//!
//! `parking_lot` itself allocates when a thread has to wait. So a heap behind its lock must not be
//! the global allocator: to wait, a thread would have to wait, until its stack overflows.
//!
//! None of these is re-entrant. A heap's source runs while the lock is held, and so must not
//! allocate from, or free to, the heap other than by what it has been given: it would wait for
//! itself. Nor may an interrupt handler where the code that it interrupts may hold the lock.
//! [`ErrorChecking`] panics instead.
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
/// It is taken by one compare-and-swap. Who waits reads until it is free; who gets it then is left
/// to chance.
#[cfg(feature = "spin")]
pub type Spin = spin::Mutex<()>;

/// A fair spin lock: who came first gets it first.
///
/// So nobody waits for more than one turn of each other. But if a thread is preempted while it
/// waits, all that came after it wait with it, and spin: with more threads than cores, that is all the
/// time, until the system takes the cores away from those that spin. Not for more threads than cores.
#[cfg(feature = "spin")]
pub type Ticket = spin::mutex::TicketMutex<()>;
