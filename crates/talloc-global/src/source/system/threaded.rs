//! The heap of a program with many threads, on an operating system.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::ops::Deref;

use talloc_sync::{ByThread, Config, RealTime, Talloc, TallocMagazines};

use super::{SystemLock, SystemSource};

/// Threads that allocate at the same time should be no more.
const SLOTS: usize = 64;

/// The magazines of a [`ThreadedTalloc`].
pub type SystemMagazines<C> = TallocMagazines<SystemLock, C, SystemSource, ByThread, SLOTS>;

/// A heap whose memory is the operating system's, with caches for threads that allocate all the time.
///
/// It is what to start with on an operating system. [`SystemTalloc`](crate::SystemTalloc) has no
/// caches, and 180 KiB less of structures in the program's memory.
///
/// In all but its constructors it is [`TallocMagazines`], with a slot for each thread, up to 64 at a
/// time. The heap within has no quick lists, as the magazines do what those are for.
///
/// See [`SystemSource`] for how memory is got. As with any lock: the process must not fork while
/// another thread allocates, unless the child does no more than replace itself by another program
/// (which is what `std::process` does).
///
/// # Examples
///
/// ```
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: ThreadedTalloc = ThreadedTalloc::new();
///
/// fn main() {
///     let square = |number: u64| std::thread::spawn(move || vec![number * number; 1000]);
///     let threads: Vec<_> = (0..10).map(square).collect();
///     let squares = threads.into_iter().flat_map(|thread| thread.join().unwrap());
///     assert_eq!(squares.sum::<u64>(), 285_000);
///     assert!(ALLOCATOR.verify().is_ok());
/// }
/// ```
pub struct ThreadedTalloc<C: Config = RealTime>(SystemMagazines<C>);

impl ThreadedTalloc {
    /// A heap that has no memory until it is first used.
    #[must_use]
    pub const fn new() -> Self {
        Self::configured()
    }
}

impl<C: Config> ThreadedTalloc<C> {
    /// [`new`](ThreadedTalloc::new), with the parameters of `C`.
    #[must_use]
    pub const fn configured() -> Self {
        Self(TallocMagazines::new(Talloc::with_source(SystemSource::new())))
    }
}

impl<C: Config> Default for ThreadedTalloc<C> {
    fn default() -> Self {
        Self::configured()
    }
}

impl<C: Config> Deref for ThreadedTalloc<C> {
    type Target = SystemMagazines<C>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

// SAFETY: What is inside is a global allocator.
unsafe impl<C: Config> GlobalAlloc for ThreadedTalloc<C> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { self.0.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { self.0.realloc(ptr, layout, new_size) }
    }
}

impl<C: Config> fmt::Debug for ThreadedTalloc<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThreadedTalloc").field(&self.0).finish()
    }
}
