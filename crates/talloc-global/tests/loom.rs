//! Models of the lock of the ready-made heaps on Linux: `cargo xtask loom`.
//!
//! The lock is from another crate. This file includes its source, with models of the atomics and the system calls. With
//! a fault in these, each model must fail.
#![cfg(loom)]

#[path = "../../talloc-sync/tests/models/mod.rs"]
mod models;

use std::process::Command;
use std::sync::OnceLock;

use talloc_sync::lock::RawMutex;

/// Models of the processor and the system.
mod machine {
    use loom::sync::atomic::{self, Ordering};
    use loom::sync::{Condvar, Mutex};

    /// An atomic. If it is `FORGETFUL`, release operations have no effect.
    pub struct Word<const FORGETFUL: bool>(atomic::AtomicU32);

    impl<const FORGETFUL: bool> Word<FORGETFUL> {
        pub fn new(value: u32) -> Self {
            Self(atomic::AtomicU32::new(value))
        }

        pub fn load(&self, order: Ordering) -> u32 {
            self.0.load(order)
        }

        pub fn swap(&self, value: u32, order: Ordering) -> u32 {
            self.0.swap(value, if FORGETFUL { Ordering::Relaxed } else { order })
        }

        pub fn compare_exchange(
            &self,
            current: u32,
            new: u32,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u32, u32> {
            self.0.compare_exchange(current, new, success, failure)
        }
    }

    loom::lazy_static! {
        /// The threads that wait for a word. Each model has only one word.
        static ref QUEUE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    /// A timeout, which is never passed.
    pub enum Time {}

    /// Waits until it is woken, unless the word differs from `expected`. The comparison and the start of the wait are
    /// one step, as in the kernel.
    pub fn wait<const FORGETFUL: bool>(word: &Word<FORGETFUL>, expected: u32) -> bool {
        let guard = QUEUE.0.lock().unwrap();
        if word.load(Ordering::Relaxed) == expected {
            drop(QUEUE.1.wait(guard).unwrap());
        }
        true
    }

    /// Wakes one waiting thread.
    pub fn wake() {
        let _guard = QUEUE.0.lock().unwrap();
        QUEUE.1.notify_one();
    }
}

/// Defines the mutex for a machine with memory that may be forgetful, and a system that may not wake threads.
macro_rules! mutex {
    ($name:ident, forgetful: $forgetful:literal, wake: $wake:expr) => {
        mod $name {
            mod atomic {
                pub use loom::sync::atomic::Ordering;
                pub type AtomicU32 = crate::machine::Word<$forgetful>;
            }

            mod hint {
                pub use loom::hint::spin_loop;
            }

            mod wait_wake {
                use super::atomic::AtomicU32;
                use crate::machine::{self, Time};

                pub fn futex_wait_timespec<const SHARED: bool>(
                    word: &AtomicU32,
                    expected: u32,
                    _: Option<&Time>,
                ) -> bool {
                    machine::wait(word, expected)
                }

                pub fn futex_wake<const SHARED: bool>(_: &AtomicU32) {
                    $wake
                }
            }

            #[allow(clippy::all, clippy::undocumented_unsafe_blocks, reason = "it is not ours")]
            mod source {
                include!(env!("TALLOC_LOOM_FUTEX_MUTEX", "set by `cargo xtask loom`"));
            }

            pub type Lock = crate::Lock<source::Mutex<false>>;

            impl crate::Futex for source::Mutex<false> {
                fn new() -> Self {
                    Self::new()
                }

                fn lock(&self) {
                    self.lock();
                }

                fn try_lock(&self) -> bool {
                    self.try_lock()
                }

                fn unlock(&self) {
                    // SAFETY: The models hold the lock.
                    unsafe { self.unlock() };
                }
            }
        }
    };
}

mutex!(sound, forgetful: false, wake: machine::wake());
mutex!(forgetful, forgetful: true, wake: machine::wake());
mutex!(silent, forgetful: false, wake: ());

/// The operations common to all mutexes.
trait Futex {
    fn new() -> Self;
    fn lock(&self);
    fn try_lock(&self) -> bool;
    fn unlock(&self);
}

/// A mutex that can be created in a constant. It is initialised at its first use.
struct Lock<M>(OnceLock<M>);

impl<M: Futex> Lock<M> {
    fn mutex(&self) -> &M {
        self.0.get_or_init(M::new)
    }
}

// SAFETY: It delegates to the inner mutex. Faulty mutexes must be detected by loom.
unsafe impl<M: Futex> RawMutex for Lock<M> {
    #[expect(clippy::declare_interior_mutable_const, reason = "`RawMutex` requires this constant")]
    const INIT: Self = Self(OnceLock::new());

    type GuardMarker = ();

    fn lock(&self) {
        self.mutex().lock();
    }

    fn try_lock(&self) -> bool {
        self.mutex().try_lock()
    }

    unsafe fn unlock(&self) {
        self.mutex().unlock();
    }
}

#[test]
fn counting() {
    models::counting::<sound::Lock>(2);
}

#[test]
fn three_threads_counting() {
    models::counting::<sound::Lock>(3);
}

#[test]
fn trying() {
    models::trying::<sound::Lock>();
}

#[test]
fn reusing() {
    models::reusing::<sound::Lock>();
}

#[test]
fn handing_over() {
    models::handing_over::<sound::Lock>();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn counting_with_forgetful_memory() {
    models::counting::<forgetful::Lock>(2);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn reusing_with_forgetful_memory() {
    models::reusing::<forgetful::Lock>();
}

#[test]
#[should_panic(expected = "Causality violation")]
fn handing_over_with_forgetful_memory() {
    models::handing_over::<forgetful::Lock>();
}

#[test]
#[ignore = "it aborts the process: see `a_system_that_wakes_no_thread_is_detected`"]
fn counting_in_a_system_that_wakes_nobody() {
    models::counting::<silent::Lock>(2);
}

/// If no thread can continue, loom aborts instead of unwinding.
#[test]
fn a_system_that_wakes_no_thread_is_detected() {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--ignored", "--exact", "counting_in_a_system_that_wakes_nobody", "--nocapture"]);
    let output = test.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("deadlock"), "{text}");
}
