//! A lock for which no thread waits.

use core::ops::{Deref, DerefMut};
use core::sync::atomic::Ordering;

use crate::lock::machine::{AtomicBool, Shared};

/// A value that one thread holds at a time. Other threads do not wait for it.
pub(super) struct TryLock<T> {
    held: AtomicBool,
    value: Shared<T>,
}

impl<T> TryLock<T> {
    pub(super) const fn new(value: T) -> Self {
        Self { held: AtomicBool::new(false), value: Shared::new(value) }
    }

    /// Takes the value, unless another thread holds it.
    #[inline(always)]
    pub(super) fn try_hold(&self) -> Option<Held<'_, T>> {
        let free = self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        free.is_ok().then(|| Held(self))
    }
}

/// A guard of the value, which another thread can take when the guard is dropped.
pub(super) struct Held<'a, T>(&'a TryLock<T>);

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: Only this guard has changed `held` from false to true, so nobody else holds the value.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As for `deref`.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Release);
    }
}
