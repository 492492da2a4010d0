//! What locks and caches are made of: the processor's own, or, for the model checker loom, models
//! of it.

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

/// The light one of two barriers, of which the heavy one makes a fence of it; to the model checker,
/// it is one.
#[inline(always)]
#[allow(dead_code, reason = "heaps of threads need more atomics than some machines have")]
pub(crate) fn light_barrier() {
    #[cfg(not(loom))]
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    #[cfg(loom)]
    loom::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}

use core::cell::UnsafeCell;

/// A value that its users see to having alone; the model checker sees whether they do.
pub(crate) struct Shared<T> {
    value: UnsafeCell<T>,
    #[cfg(loom)]
    model: model::Access,
}

// SAFETY: Whoever uses the value sees to it that nobody else does.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            #[cfg(loom)]
            model: model::Access::NEW,
        }
    }

    /// The value, to be used at once.
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

    /// Notes that somebody has a value alone.
    pub struct Access(OnceLock<loom::cell::UnsafeCell<()>>);

    // SAFETY: Loom sees to it.
    unsafe impl Sync for Access {}

    impl Access {
        pub const NEW: Self = Self(OnceLock::new());

        pub fn note(&self) {
            self.0.get_or_init(|| loom::cell::UnsafeCell::new(())).with_mut(|_| ());
        }
    }

    /// Models of atomics that can be made in a constant, which loom's cannot.
    ///
    /// They are made when they are first used, and that must be before another thread may use them.
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

    /// A model of an atomic pointer, made as the others are.
    #[derive(Debug)]
    pub struct AtomicPtr<T> {
        initial: *mut T,
        model: OnceLock<loom::sync::atomic::AtomicPtr<T>>,
    }

    // SAFETY: The pointer is only compared and handed on.
    unsafe impl<T> Send for AtomicPtr<T> {}
    // SAFETY: As above; the model is an atomic.
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
