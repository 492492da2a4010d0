//! The heap of a program on an operating system, behind a lock.

use talloc_sync::{Compact, Config, Talloc, Tallock};

use super::{SystemHeap, SystemLock, SystemSource};

/// A heap whose memory is the operating system's, behind a lock, which each call takes.
///
/// Where there is `std`, [`SystemTalloc`](crate#features) is quicker with several threads, and as quick
/// with one.
///
/// See [`SystemSource`] for how memory is got and given back, [`SystemHeap`] for what becomes of very
/// large blocks, and [`SystemLock`] for how threads wait for each other.
///
/// As with any lock: the process must not fork while another thread allocates, unless the child
/// does no more than replace itself by another program (which is what `std::process` does).
///
/// If a library with a heap in a `static` is unloaded, the heap's memory and its addresses are lost.
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
    /// A heap that has no memory until it is first used.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_config()
    }
}

impl<C: Config> SystemTallock<C> {
    /// [`new`](SystemTallock::new), with the parameters of `C`.
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
