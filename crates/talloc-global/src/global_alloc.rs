//! Heaps that are ready to be the global allocator.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::ops::Deref;

use lock_api::RawMutex;
use talloc_core::{Config, SharedHeap, Source, Talloc, Tallock};

/// A heap behind a lock, made together with its source of memory.
///
/// It is a [`Tallock`] in all but its constructors. Use it by one of its names, which have a
/// constructor of their own:
///
#[cfg_attr(
    all(feature = "spin", target_has_atomic = "8"),
    doc = "* [`StaticTalloc`]: memory in a `static`."
)]
#[cfg_attr(
    all(feature = "system", unix),
    doc = "* [`SystemTalloc`]: memory from the operating system."
)]
///
/// As in a `Tallock`, the heap itself is `.0.lock()`.
pub struct GlobalTalloc<R: RawMutex, C: Config, S> {
    tallock: Tallock<R, C, S>,
}

impl<R: RawMutex, C: Config, S> GlobalTalloc<R, C, S> {
    /// A heap without memory that asks `source` for it.
    #[must_use]
    pub const fn with_source(source: S) -> Self {
        Self { tallock: Talloc::with_source(source).lock() }
    }
}

/// A heap whose memory is in a `static`: no set-up, no operating system, no `unsafe`.
///
/// # Examples
///
/// ```
/// use talloc_global::*;
///
/// static ARENA: StaticArena<{ 1 << 20 }> = StaticArena::new();
/// #[global_allocator]
/// static ALLOCATOR: StaticTalloc = StaticTalloc::new(&ARENA);
///
/// fn main() {
///     let greeting = vec!["from", "the", "arena"].join(" ");
///     assert!(ALLOCATOR.0.lock().get_arena().contains_ptr(greeting.as_ptr().cast_mut()));
/// }
/// ```
///
/// The memory may also be what a linker script sets aside: see [`Region`](crate::Region).
#[cfg(feature = "spin")]
pub type StaticTalloc<C = talloc_core::Compact> =
    GlobalTalloc<spin::Mutex<()>, C, crate::source::Region>;

#[cfg(all(feature = "spin", target_has_atomic = "8"))]
impl StaticTalloc {
    /// A heap that has the memory of `arena` from when it is first used.
    ///
    /// If another heap has it already, nothing can be allocated. It has the default parameters;
    /// `with_source(arena.region())` makes one with others.
    #[must_use]
    pub const fn new<const N: usize>(arena: &'static crate::source::StaticArena<N>) -> Self {
        Self::with_source(arena.region())
    }
}

/// A heap whose memory is the operating system's, for any number of threads.
///
/// See [`SystemSource`](crate::SystemSource) for how memory is got, and
/// [`SystemLock`](crate::SystemLock) for how threads wait for each other.
///
/// As with any lock: the process must not fork while another thread allocates, unless the child
/// does no more than replace itself by another program (which is what `std::process` does).
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
///     let numbers: Vec<u64> = (0..1_000_000).collect();
///     assert_eq!(numbers.iter().sum::<u64>(), 499_999_500_000);
///     assert!(ALLOCATOR.0.lock().verify().is_ok());
/// }
/// ```
#[cfg(all(feature = "system", unix))]
pub type SystemTalloc<C = talloc_core::Compact> =
    GlobalTalloc<crate::system_lock::SystemLock, C, crate::source::SystemSource>;

#[cfg(all(feature = "system", unix))]
impl SystemTalloc {
    /// A heap that has no memory until it is first used.
    ///
    /// It has the default parameters; `with_source(SystemSource::new())` makes one with others.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_source(crate::source::SystemSource::new())
    }
}

#[cfg(all(feature = "system", unix))]
impl<C: Config> Default for SystemTalloc<C> {
    fn default() -> Self {
        Self::with_source(crate::source::SystemSource::new())
    }
}

impl<R: RawMutex, C: Config, S> Deref for GlobalTalloc<R, C, S> {
    type Target = Tallock<R, C, S>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.tallock
    }
}

impl<R: RawMutex, C: Config, S: Source<C>> SharedHeap for GlobalTalloc<R, C, S> {
    type Config = C;
    type Source = S;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        self.tallock.with(f)
    }
}

// SAFETY: What is inside is a global allocator.
unsafe impl<R: RawMutex, C: Config, S: Source<C>> GlobalAlloc for GlobalTalloc<R, C, S> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { self.tallock.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { self.tallock.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { self.tallock.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { self.tallock.realloc(ptr, layout, new_size) }
    }
}

impl<R: RawMutex, C: Config, S> fmt::Debug for GlobalTalloc<R, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalTalloc").field("tallock", &self.tallock).finish()
    }
}
