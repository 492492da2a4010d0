//! Atomics and other primitives of locks and caches: the processor's, or models for the model checker loom.

#[cfg(not(loom))]
pub(crate) use core::{
    hint,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, fence},
};
#[cfg(loom)]
pub(crate) use {
    loom::hint,
    loom::sync::atomic::fence,
    model::{AtomicBool, AtomicPtr, AtomicUsize},
};

/// A light barrier, for the compiler only. The heavy barrier of another thread turns it into a fence. For the model
/// checker, it is a fence.
#[inline(always)]
#[allow(dead_code, reason = "heaps of threads need more atomics than some machines have")]
pub(crate) fn light_barrier() {
    #[cfg(not(loom))]
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    #[cfg(loom)]
    loom::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}

use core::cell::UnsafeCell;

/// A value whose users ensure exclusive access. The model checker checks that they do.
pub(crate) struct Shared<T> {
    value: UnsafeCell<T>,
    #[cfg(loom)]
    model: model::Access,
}

// SAFETY: Users of the value ensure exclusive access.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            #[cfg(loom)]
            model: model::Access::NEW,
        }
    }

    /// Returns a pointer to the value, for immediate use.
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        #[cfg(loom)]
        self.model.note();
        self.value.get()
    }
}

#[cfg(loom)]
mod model {
    extern crate std;

    use core::sync::atomic::Ordering;
    use std::sync::OnceLock;

    /// Records exclusive accesses to a value for the model checker.
    pub struct Access(OnceLock<loom::cell::UnsafeCell<()>>);

    // SAFETY: Loom checks accesses from all threads.
    unsafe impl Sync for Access {}

    impl Access {
        pub const NEW: Self = Self(OnceLock::new());

        pub fn note(&self) {
            self.0.get_or_init(|| loom::cell::UnsafeCell::new(())).with_mut(|_| ());
        }
    }

    /// Models of atomics with constant constructors, which loom's atomics do not have.
    ///
    /// A model is made when it is first used. That must happen before another thread can use it.
    macro_rules! atomic {
        ($name:ident, $value:ty) => {
            #[derive(Debug)]
            pub struct $name {
                initial: $value,
                model: OnceLock<loom::sync::atomic::$name>,
            }

            #[allow(dead_code, reason = "not every type needs all of them")]
            impl $name {
                pub const fn new(initial: $value) -> Self {
                    Self { initial, model: OnceLock::new() }
                }

                pub fn load(&self, order: Ordering) -> $value {
                    self.model().load(order)
                }

                pub fn store(&self, value: $value, order: Ordering) {
                    self.model().store(value, order);
                }

                pub fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.model().compare_exchange(current, new, success, failure)
                }

                fn model(&self) -> &loom::sync::atomic::$name {
                    self.model.get_or_init(|| loom::sync::atomic::$name::new(self.initial))
                }
            }
        };
    }

    atomic!(AtomicBool, bool);
    atomic!(AtomicUsize, usize);

    /// A model of an atomic pointer with a constant constructor.
    #[derive(Debug)]
    pub struct AtomicPtr<T> {
        initial: *mut T,
        model: OnceLock<loom::sync::atomic::AtomicPtr<T>>,
    }

    // SAFETY: The pointer is only stored, compared and returned, and never dereferenced.
    unsafe impl<T> Send for AtomicPtr<T> {}
    // SAFETY: The model is an atomic.
    unsafe impl<T> Sync for AtomicPtr<T> {}

    #[allow(dead_code, reason = "not every use of these models needs a pointer")]
    impl<T> AtomicPtr<T> {
        pub const fn new(initial: *mut T) -> Self {
            Self { initial, model: OnceLock::new() }
        }

        pub fn load(&self, order: Ordering) -> *mut T {
            self.model().load(order)
        }

        pub fn swap(&self, value: *mut T, order: Ordering) -> *mut T {
            self.model().swap(value, order)
        }

        pub fn compare_exchange(
            &self,
            current: *mut T,
            new: *mut T,
            success: Ordering,
            failure: Ordering,
        ) -> Result<*mut T, *mut T> {
            self.model().compare_exchange(current, new, success, failure)
        }

        fn model(&self) -> &loom::sync::atomic::AtomicPtr<T> {
            self.model.get_or_init(|| loom::sync::atomic::AtomicPtr::new(self.initial))
        }
    }

    impl AtomicUsize {
        pub fn fetch_update(
            &self,
            success: Ordering,
            failure: Ordering,
            update: impl FnMut(usize) -> Option<usize>,
        ) -> Result<usize, usize> {
            self.model().fetch_update(success, failure, update)
        }

        pub fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
            self.model().fetch_sub(value, order)
        }
    }
}
