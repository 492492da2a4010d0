//! A heap that is ready to be the global allocator.

use core::fmt;
use core::ops::Deref;

use talloc_sync::lock::RawMutex;
use talloc_sync::{Config, SharedHeap, Source, Talloc, Tallock, allocator, global_alloc};

/// A heap behind a lock, made together with its source of memory.
///
/// It is a [`Tallock`] in all but its constructors. `StaticTalloc` is a name of it
/// for a source of this crate, and has a constructor of its own; this is one for others.
///
/// As in a `Tallock`, the heap itself is `.0.lock()`. Who holds that guard must not allocate, and so
/// not even print, if this is the global allocator: it would wait for itself.
///
/// # Examples
///
/// ```
/// use talloc_global::{config::RealTime, lock::Backoff, *};
///
/// static ARENA: StaticArena<{ 1 << 20 }> = StaticArena::new();
/// #[global_allocator]
/// static ALLOCATOR: GlobalTalloc<Backoff, RealTime, Region> =
///     GlobalTalloc::with_source(ARENA.region());
///
/// fn main() {
///     let size = ALLOCATOR.0.lock().get_arena().size();
///     println!("{size} bytes");
/// }
/// ```
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

impl<R: RawMutex, C: Config, S> Deref for GlobalTalloc<R, C, S> {
    type Target = Tallock<R, C, S>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.tallock
    }
}

// SAFETY: It is that of the `Tallock` within.
unsafe impl<R: RawMutex, C: Config, S: Source<C>> SharedHeap for GlobalTalloc<R, C, S> {
    type Config = C;
    type Source = S;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        self.tallock.with(f)
    }
}

// SAFETY: It is one heap, wherever it lies. A reference to it borrows it, and so do copies of the reference.
global_alloc!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>] for GlobalTalloc<R, C, S>, |heap| heap
);
allocator!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>] for &GlobalTalloc<R, C, S>, |heap| *heap
);

impl<R: RawMutex, C: Config, S> fmt::Debug for GlobalTalloc<R, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalTalloc").field("tallock", &self.tallock).finish()
    }
}
