//! The lock of ready-made heaps on an operating system.

/// A lock whose waiters sleep, after they have tried for a moment.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub type SystemLock = rustix_futex_sync::RawMutex;

/// A lock whose waiters let other threads run.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub type SystemLock = spin::mutex::SpinMutex<(), Yield>;

/// Waits by letting other threads run.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Debug)]
pub struct Yield;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl spin::RelaxStrategy for Yield {
    fn relax() {
        super::space::pause();
    }
}
