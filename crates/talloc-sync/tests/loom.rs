//! Models of the locks of this crate: `cargo xtask loom`.
//!
//! Locks with a fault show that each model can fail. There are two threads: two that wait by looking
//! again and again would have turns without end.
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

/// What is wrong with a lock.
mod fault {
    /// What was done while it was held need not be seen by the next one.
    pub const RELAXED_UNLOCK: u8 = 0;
    /// The same, but the next one does not look.
    pub const RELAXED_LOCK: u8 = 1;
    /// Between the look and the lock, another one may take it.
    pub const LOOKS_FIRST: u8 = 2;
    /// It is never given back.
    pub const NO_UNLOCK: u8 = 3;
}

struct Faulty<const FAULT: u8>(OnceLock<AtomicBool>);

impl<const FAULT: u8> Faulty<FAULT> {
    fn locked(&self) -> &AtomicBool {
        self.0.get_or_init(|| AtomicBool::new(false))
    }
}

// SAFETY: It is not as it should be; the models must see it.
unsafe impl<const FAULT: u8> RawMutex for Faulty<FAULT> {
    #[expect(clippy::declare_interior_mutable_const, reason = "that is how the trait wants it")]
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

/// Each model with each fault that it must find, and what it says then.
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
