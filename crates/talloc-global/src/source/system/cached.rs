//! The heap of a program on an operating system.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::ops::Deref;

use talloc_sync::{ByThread, Config, RealTime, Talloc, TallocMagazines};

use super::{SystemLock, SystemSource};

/// Three quarters of them may be threads' own.
const SLOTS: usize = 256;

/// The magazines of a [`SystemTalloc`].
pub type SystemMagazines<C> = TallocMagazines<SystemLock, C, SystemSource, ByThread, SLOTS>;

/// A heap whose memory is the operating system's, with caches for threads.
///
/// It is what to start with on an operating system, with one thread or many. In all but its
/// constructors it is [`TallocMagazines`], with a slot for each thread, which on Linux is the thread's
/// own, up to 192 at a time. The heap within has no quick lists, as the magazines do what those are
/// for. A [`Checked`](crate::Checked) heap has no caches in front of it.
///
/// The slots take address space, and memory when they are used: about 3 KiB each.
///
/// See [`SystemSource`] for how memory is got, and [`SystemTallock`](crate::SystemTallock) for the same
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
pub struct SystemTalloc<C: Config = RealTime>(SystemMagazines<C>);

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
        Self(TallocMagazines::new(Talloc::with_source(SystemSource::new())))
    }
}

impl<C: Config> Default for SystemTalloc<C> {
    fn default() -> Self {
        Self::configured()
    }
}

impl<C: Config> Deref for SystemTalloc<C> {
    type Target = SystemMagazines<C>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

// SAFETY: What is inside is a global allocator.
unsafe impl<C: Config> GlobalAlloc for SystemTalloc<C> {
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

impl<C: Config> fmt::Debug for SystemTalloc<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SystemTalloc").field(&self.0).finish()
    }
}
