//! Models of this crate's locks: `cargo xtask loom`.
//!
//! Faulty locks prove that each model can fail. The models have only two threads, because two threads that spin at the
//! same time would take turns without end.
#![cfg(loom)]

mod models;

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use loom::hint;
use loom::sync::atomic::AtomicBool;
use talloc_sync::lock::{Backoff, RawMutex};

#[test]
fn counting_with_backoff() {
    models::counting::<Backoff>(2);
}

#[test]
fn trying_with_backoff() {
    models::trying::<Backoff>();
}

#[test]
fn reusing_with_backoff() {
    models::reusing::<Backoff>();
}

#[test]
fn handing_over_with_backoff() {
    models::handing_over::<Backoff>();
}

/// The faults of a lock.
mod fault {
    /// Releasing the lock does not publish the changes made under it.
    pub const RELAXED_UNLOCK: u8 = 0;
    /// Acquiring the lock does not observe the changes made under it.
    pub const RELAXED_LOCK: u8 = 1;
    /// Another thread can acquire the lock between the test and the update.
    pub const LOOKS_FIRST: u8 = 2;
    /// The lock is never released.
    pub const NO_UNLOCK: u8 = 3;
}

struct Faulty<const FAULT: u8>(OnceLock<AtomicBool>);

impl<const FAULT: u8> Faulty<FAULT> {
    fn locked(&self) -> &AtomicBool {
        self.0.get_or_init(|| AtomicBool::new(false))
    }
}

// SAFETY: The lock is faulty on purpose. Loom must detect the fault.
unsafe impl<const FAULT: u8> RawMutex for Faulty<FAULT> {
    #[expect(clippy::declare_interior_mutable_const, reason = "`RawMutex` requires this constant")]
    const INIT: Self = Self(OnceLock::new());

    type GuardMarker = ();

    fn lock(&self) {
        while !self.try_lock() {
            hint::spin_loop();
        }
    }

    fn try_lock(&self) -> bool {
        let order =
            if FAULT == fault::RELAXED_LOCK { Ordering::Relaxed } else { Ordering::Acquire };
        if FAULT == fault::LOOKS_FIRST {
            let free = !self.locked().load(order);
            if free {
                self.locked().store(true, Ordering::Relaxed);
            }
            return free;
        }
        self.locked().compare_exchange(false, true, order, Ordering::Relaxed).is_ok()
    }

    unsafe fn unlock(&self) {
        let relaxed = FAULT == fault::RELAXED_UNLOCK;
        let order = if relaxed { Ordering::Relaxed } else { Ordering::Release };
        if FAULT != fault::NO_UNLOCK {
            self.locked().store(false, order);
        }
    }

    fn is_locked(&self) -> bool {
        self.locked().load(Ordering::Relaxed)
    }
}

/// Runs each model with each fault that it must detect, and expects the message.
macro_rules! must_fail {
    ($($name:ident: $model:ident with $fault:ident($($threads:literal)?), $complaint:literal;)*) => {$(
        #[test]
        #[should_panic(expected = $complaint)]
        fn $name() {
            models::$model::<Faulty<{ fault::$fault }>>($($threads)?);
        }
    )*};
}

must_fail! {
    counting_with_a_relaxed_unlock: counting with RELAXED_UNLOCK(2), "Causality violation";
    counting_with_a_relaxed_lock: counting with RELAXED_LOCK(2), "Causality violation";
    counting_with_a_look_first: counting with LOOKS_FIRST(2), "Causality violation";
    counting_without_unlock: counting with NO_UNLOCK(2), "maximum number of branches";
    trying_with_a_relaxed_unlock: trying with RELAXED_UNLOCK(), "Causality violation";
    trying_with_a_look_first: trying with LOOKS_FIRST(), "Causality violation";
    reusing_with_a_relaxed_unlock: reusing with RELAXED_UNLOCK(), "Causality violation";
    reusing_with_a_relaxed_lock: reusing with RELAXED_LOCK(), "Causality violation";
    handing_over_with_a_relaxed_unlock: handing_over with RELAXED_UNLOCK(), "Causality violation";
    handing_over_with_a_relaxed_lock: handing_over with RELAXED_LOCK(), "Causality violation";
}
