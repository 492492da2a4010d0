//! The heap of a program on an operating system, behind a lock.

use talloc_sync::{Compact, Config, Talloc, Tallock};

use super::{SystemHeap, SystemLock, SystemSource};

/// A heap behind a lock, with memory from the operating system.
///
/// With the feature `std`, [`SystemTalloc`](crate#features) is faster for several threads, and as fast for one.
///
/// [`SystemSource`] describes how memory is obtained and returned, [`SystemHeap`] describes very large blocks, and
/// [`SystemLock`] describes how threads wait for the lock.
///
/// The process must not fork while another thread holds the lock, unless the child only executes another program, as
/// with `std::process`: the lock would stay locked in the child.
///
/// If a library with a heap in a `static` is unloaded, the heap's memory and addresses leak.
/// [`SystemTalloc`](crate#features) keeps its library loaded.
///
/// # Examples
///
/// ```
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: SystemTallock = SystemTallock::new();
///
/// fn main() {
///     let numbers: Vec<u64> = (0..1_000_000).collect();
///     assert_eq!(numbers.iter().sum::<u64>(), 499_999_500_000);
///     assert!(ALLOCATOR.verify().is_ok());
/// }
/// ```
pub type SystemTallock<C = Compact> = SystemHeap<Tallock<SystemLock, C, SystemSource>>;

impl SystemTallock {
    /// Makes a heap that gets its first memory when it is first used.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_config()
    }
}

impl<C: Config> SystemTallock<C> {
    /// Makes a heap with the parameters of `C`; otherwise like [`new`](SystemTallock::new).
    #[must_use]
    pub const fn with_config() -> Self {
        Self::in_front_of(Talloc::with_source(SystemSource::new()).lock())
    }
}

impl<C: Config> Default for SystemTallock<C> {
    fn default() -> Self {
        Self::with_config()
    }
}
