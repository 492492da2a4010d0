//! The heap of a program on an operating system.

use talloc_sync::{ByThread, Compact, Config, Report, Talloc, TallocMagazines, Violation};

use super::{SystemHeap, SystemLock, SystemSource};

/// Three quarters of them may be threads' own.
const SLOTS: usize = 256;

/// The magazines of a [`SystemTalloc`].
pub type SystemMagazines<C> = TallocMagazines<SystemLock, C, SystemSource, ByThread, SLOTS>;

/// A heap whose memory is the operating system's, with caches for threads.
///
/// It is what to start with on an operating system, with one thread or many. Within is
/// [`TallocMagazines`], with a slot for each thread, which on Linux is the thread's
/// own, up to 192 at a time. What magazines give back stays in the quick lists of the heap within for a
/// while. A [`Checked`](crate::Checked) heap has no caches in front of it.
///
/// The slots take address space, and memory when they are used: about 3 KiB each.
///
/// See [`SystemSource`] for how memory is got and given back, [`SystemHeap`] for what becomes of very
/// large blocks, and [`SystemTallock`](crate::SystemTallock) for the same
/// behind a lock and no more. As with any lock: the process must not fork while another thread
/// allocates, unless the child does no more than replace itself by another program (which is what
/// `std::process` does).
///
/// # Examples
///
/// ```
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: SystemTalloc = SystemTalloc::new();
///
/// fn main() {
///     let square = |number: u64| std::thread::spawn(move || vec![number * number; 1000]);
///     let threads: Vec<_> = (0..10).map(square).collect();
///     let squares = threads.into_iter().flat_map(|thread| thread.join().unwrap());
///     assert_eq!(squares.sum::<u64>(), 285_000);
///     assert!(ALLOCATOR.verify().is_ok());
/// }
/// ```
pub type SystemTalloc<C = Compact> = SystemHeap<SystemMagazines<C>>;

impl SystemTalloc {
    /// A heap that has no memory until it is first used.
    #[must_use]
    pub const fn new() -> Self {
        Self::configured()
    }
}

impl<C: Config> SystemTalloc<C> {
    /// [`new`](SystemTalloc::new), with the parameters of `C`.
    #[must_use]
    pub const fn configured() -> Self {
        Self::in_front_of(TallocMagazines::new(Talloc::with_source(SystemSource::new())))
    }

    /// Checks the heap and its caches, as [`TallocMagazines::verify`] does, and counts the large
    /// blocks, too.
    ///
    /// # Errors
    ///
    /// As for [`TallocMagazines::verify`].
    pub fn verify(&self) -> Result<Report, Violation> {
        (**self).verify().map(|report| self.count_in(report))
    }
}

impl<C: Config> Default for SystemTalloc<C> {
    fn default() -> Self {
        Self::configured()
    }
}
