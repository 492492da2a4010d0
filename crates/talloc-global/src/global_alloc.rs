//! A heap that is ready to be the global allocator.

use core::fmt;
use core::ops::Deref;

use talloc_sync::lock::RawMutex;
use talloc_sync::{Config, SharedHeap, Source, Talloc, Tallock, allocator, global_alloc};

/// A heap behind a lock, which gets its memory from a source.
///
/// It differs from a [`Tallock`] only in its constructors: `with_source` takes any source. `StaticTalloc` is this
/// type with the source [`Region`](crate::Region), and has a constructor for a `static` array.
///
/// As in a `Tallock`, `.0.lock()` returns a guard of the heap. If this is the global allocator, the holder of the
/// guard must not allocate, and therefore must not print: the allocation would wait for the lock for ever.
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
    /// Makes a heap that gets its memory from `source` when it is first used.
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

// SAFETY: `with` lends the heap of the `Tallock` within, which upholds the contract.
unsafe impl<R: RawMutex, C: Config, S: Source<C>> SharedHeap for GlobalTalloc<R, C, S> {
    type Config = C;
    type Source = S;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        self.tallock.with(f)
    }
}

// SAFETY: A value is the same heap at each call, wherever it lies. Copies of a reference borrow the same value.
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
