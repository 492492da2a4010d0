//! A count that other threads may read.

/// A counter that only its owner changes. Where there are threads, others may read it at any time. Relaxed loads and
/// stores cost no more than those of a plain integer.
pub(super) struct Count(imp::Number);

impl Count {
    /// Nothing.
    pub(super) const fn zero() -> Self {
        Self(imp::Number::new(0))
    }

    #[inline(always)]
    pub(super) fn get(&self) -> usize {
        imp::get(&self.0)
    }

    /// Adds to the count, and returns the sum.
    #[inline(always)]
    pub(super) fn add(&self, more: usize) -> usize {
        let sum = self.get() + more;
        imp::set(&self.0, sum);
        sum
    }

    #[inline(always)]
    pub(super) fn subtract(&self, less: usize) {
        imp::set(&self.0, self.get() - less);
    }
}

#[cfg(target_has_atomic = "ptr")]
mod imp {
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    pub(super) type Number = AtomicUsize;

    #[inline(always)]
    pub(super) fn get(number: &Number) -> usize {
        number.load(Relaxed)
    }

    #[inline(always)]
    pub(super) fn set(number: &Number, value: usize) {
        number.store(value, Relaxed);
    }
}

/// Without atomic operations there are no heaps of threads.
#[cfg(not(target_has_atomic = "ptr"))]
mod imp {
    use core::cell::Cell;

    pub(super) type Number = Cell<usize>;

    #[inline(always)]
    pub(super) fn get(number: &Number) -> usize {
        number.get()
    }

    #[inline(always)]
    pub(super) fn set(number: &Number, value: usize) {
        number.set(value);
    }
}
