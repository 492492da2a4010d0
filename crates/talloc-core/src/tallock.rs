//! The heap behind a lock.
//!
//! It is in this crate, and not with the other locks in `talloc-sync`, because of [`Talloc::spin_lock`]. That method
//! must be `const`, so a `static` can be initialised with it. A trait cannot have a `const` method, and another crate
//! cannot add an inherent one.

use core::fmt;
use core::ops::{Deref, DerefMut};

use lock_api::{Mutex, RawMutex};

use crate::config::{Compact, Config};
use crate::shared::SharedHeap;
use crate::source::{OomHandler, Source};
use crate::talloc::{OwnedTalloc, Talloc};

/// The lock of a [`Tallock`] if none is named: a spin lock.
#[cfg(feature = "spin")]
type DefaultRawMutex = spin::Mutex<()>;

macro_rules! tallock {
    ($($default:tt)*) => {
        /// A heap behind a lock: a global allocator, and a reference to it is an `Allocator`.
        ///
        /// `R` is a raw lock of [`lock_api`]. With the feature `spin`, the default is a spin lock.
        /// `.0.lock()` gives access to the heap itself.
        ///
        /// A block that has to move is copied while the lock is not held, and memory is cleared
        /// while it is not held.
        ///
        /// # Deadlocks
        ///
        /// Do not allocate from the heap while its guard lives. With a global allocator,
        /// `format!("{:?}", tallock.0.lock())` does, and waits for itself for ever. Copy what you
        /// need out of the guard first. `format!("{:?}", tallock)` is fine.
        ///
        /// The lock is held while the heap's source runs. The source must use the heap that it is
        /// passed. If it allocates from or frees to the same `Tallock`, it waits for itself for ever.
        /// In a source of the global allocator, everything that allocates does so: `Box`, `format!`,
        /// printing.
        ///
        /// # Examples
        ///
        #[cfg_attr(feature = "spin", doc = "```")]
        #[cfg_attr(not(feature = "spin"), doc = "```ignore")]
        /// use std::alloc::{GlobalAlloc, Layout};
        /// use talloc_core::{Talloc, Tallock};
        ///
        /// static HEAP: Tallock = Talloc::new().spin_lock();
        /// static mut ARENA: [u8; 1000] = [0; 1000];
        ///
        /// let layout = Layout::new::<[u64; 4]>();
        /// // SAFETY: Nothing else uses the array. The block is freed once, with its layout.
        /// unsafe {
        ///     HEAP.0.lock().init((&raw mut ARENA).into());
        ///     let block = HEAP.alloc(layout);
        ///     assert!(HEAP.0.lock().get_arena().contains_ptr(block));
        ///     HEAP.dealloc(block, layout);
        /// }
        /// ```
        pub struct Tallock<R $($default)*, C: Config = Compact, S = OomHandler<C>>(
            pub TallocMutex<R, C, S>,
        );
    };
}

#[cfg(feature = "spin")]
tallock!(= DefaultRawMutex);
#[cfg(not(feature = "spin"))]
tallock!();

/// The lock of a [`Tallock`], and the heap behind it.
///
/// It dereferences to a [`Mutex`] of a [`Talloc`], which is dynamically sized. A guard gives access to the heap, but
/// the heap cannot be taken out of the lock or replaced by another one.
///
/// ```
/// # #[cfg(feature = "spin")] {
/// use talloc_core::{Talloc, Tallock};
///
/// static HEAP: Tallock = Talloc::new().spin_lock();
///
/// assert!(HEAP.0.lock().get_arena().is_empty());
/// assert!(HEAP.0.try_lock().is_some());
/// # }
/// ```
pub struct TallocMutex<R, C: Config, S>(Mutex<R, OwnedTalloc<C, S>>);

impl<R: RawMutex, C: Config, S> TallocMutex<R, C, S> {
    /// Returns the heap that was passed to [`OwnedTalloc::lock`](crate::Talloc#method.lock).
    #[must_use]
    pub fn into_inner(self) -> OwnedTalloc<C, S> {
        self.0.into_inner()
    }
}

impl<R, C: Config, S> Deref for TallocMutex<R, C, S> {
    type Target = Mutex<R, Talloc<C, S>>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<R, C: Config, S> DerefMut for TallocMutex<R, C, S> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<C: Config, S> OwnedTalloc<C, S> {
    /// Puts the heap behind a lock of type `R`.
    #[must_use]
    pub const fn lock<R: RawMutex>(self) -> Tallock<R, C, S> {
        Tallock(TallocMutex(Mutex::from_raw(R::INIT, self)))
    }

    /// Puts the heap behind a spin lock.
    #[cfg(feature = "spin")]
    #[must_use]
    pub const fn spin_lock(self) -> Tallock<DefaultRawMutex, C, S> {
        self.lock()
    }
}

// SAFETY: A `Tallock` has one heap, and the lock gives it to one caller at a time.
unsafe impl<R: RawMutex, C: Config, S: Source<C>> SharedHeap for Tallock<R, C, S> {
    type Config = C;
    type Source = S;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        f(&mut self.0.lock())
    }
}

// SAFETY: A `Tallock` is one heap, wherever it lies. A reference to it borrows it, and so do copies of the reference.
crate::global_alloc!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>] for Tallock<R, C, S>, |heap| heap
);
crate::allocator!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>] for &Tallock<R, C, S>, |heap| *heap
);
crate::allocator!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>] for TallockRef<'_, R, C, S>, |it| it.0
);

impl<R, C: Config, S> Tallock<R, C, S> {
    /// Returns a reference to the heap that is an `Allocator`, in each version of the trait that is switched on. It is
    /// here for programs that were written for v2: `&self` is an `Allocator`, too.
    ///
    /// # Examples
    ///
    #[cfg_attr(all(feature = "spin", feature = "allocator"), doc = "```")]
    #[cfg_attr(not(all(feature = "spin", feature = "allocator")), doc = "```ignore")]
    /// use allocator_api2::vec::Vec;
    /// use talloc_core::*;
    ///
    /// let memory = Box::leak(vec![0_u8; 10_000].into_boxed_slice());
    /// let heap = Talloc::new().spin_lock();
    /// // SAFETY: The memory is leaked, so it is the heap's for ever.
    /// unsafe { heap.0.lock().init(memory.into()) };
    ///
    /// let mut squares = Vec::with_capacity_in(100, heap.allocator_api_ref());
    /// squares.extend((0..100_u64).map(|number| number * number));
    /// assert_eq!(squares.iter().sum::<u64>(), 328_350);
    /// ```
    #[inline]
    #[must_use]
    pub const fn allocator_api_ref(&self) -> TallockRef<'_, R, C, S> {
        TallockRef(self)
    }
}

/// A reference to a [`Tallock`] that is an `Allocator`, returned by [`allocator_api_ref`](Tallock::allocator_api_ref).
pub struct TallockRef<'a, R, C: Config = Compact, S = OomHandler<C>>(pub &'a Tallock<R, C, S>);

impl<R, C: Config, S> Clone for TallockRef<'_, R, C, S> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, C: Config, S> Copy for TallockRef<'_, R, C, S> {}

impl<R: RawMutex, C: Config, S> fmt::Debug for TallockRef<'_, R, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TallockRef").field(self.0).finish()
    }
}

/// Prints the heap's [`Outline`](crate::Outline), or that the lock is held.
impl<R: RawMutex, C: Config, S> fmt::Debug for Tallock<R, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tallock").field(&self.0).finish()
    }
}

impl<R: RawMutex, C: Config, S> fmt::Debug for TallocMutex<R, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Printing may allocate from this heap, so the lock is released first.
        match self.try_lock().map(|heap| heap.inspect().outline()) {
            Some(outline) => fmt::Debug::fmt(&outline, f),
            None => f.write_str("<locked>"),
        }
    }
}
