//! What locks are made of: the processor's own, or, for the model checker loom, models of it.

#[cfg(not(loom))]
pub(super) use core::{hint, sync::atomic::AtomicBool};
#[cfg(loom)]
pub(super) use {loom::hint, model::AtomicBool};

#[cfg(loom)]
mod model {
    extern crate std;

    use core::sync::atomic::Ordering;
    use std::sync::OnceLock;

    /// A model of an atomic that can be made in a constant, which loom's cannot.
    ///
    /// It is made when it is first used, and that must be before another thread may use it.
    #[derive(Debug)]
    pub struct AtomicBool {
        initial: bool,
        model: OnceLock<loom::sync::atomic::AtomicBool>,
    }

    impl AtomicBool {
        pub const fn new(initial: bool) -> Self {
            Self { initial, model: OnceLock::new() }
        }

        pub fn load(&self, order: Ordering) -> bool {
            self.model().load(order)
        }

        pub fn store(&self, value: bool, order: Ordering) {
            self.model().store(value, order);
        }

        pub fn compare_exchange(
            &self,
            current: bool,
            new: bool,
            success: Ordering,
            failure: Ordering,
        ) -> Result<bool, bool> {
            self.model().compare_exchange(current, new, success, failure)
        }

        fn model(&self) -> &loom::sync::atomic::AtomicBool {
            self.model.get_or_init(|| loom::sync::atomic::AtomicBool::new(self.initial))
        }
    }
}
