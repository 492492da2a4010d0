//! Interruption points of logical threads.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lock_api::{GuardNoSend, RawMutex};

thread_local! {
    static HOOK: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Runs `run`, and calls `hook` at each interruption point.
pub fn with<T>(hook: Rc<dyn Fn()>, run: impl FnOnce() -> T) -> T {
    struct Unhook;
    impl Drop for Unhook {
        fn drop(&mut self) {
            HOOK.take();
        }
    }
    HOOK.set(Some(hook));
    let _unhook = Unhook;
    run()
}

/// Lets other logical threads run.
pub fn yield_now() {
    // A call that panics is not continued.
    if std::thread::panicking() {
        return;
    }
    let hook = HOOK.with_borrow(Clone::clone);
    if let Some(hook) = hook {
        hook();
    }
}

/// A lock for logical threads. Other threads may run each time it is released.
///
/// It must be free whenever it is acquired, because a waiting thread would never be interrupted.
#[derive(Debug)]
pub struct Turns(Cell<bool>);

// SAFETY: Real threads cannot share it, and it panics if it is acquired twice.
unsafe impl RawMutex for Turns {
    #[allow(clippy::declare_interior_mutable_const, reason = "`RawMutex` requires this constant")]
    const INIT: Self = Self(Cell::new(false));

    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        assert!(self.try_lock(), "the lock is already held");
    }

    fn try_lock(&self) -> bool {
        !self.0.replace(true)
    }

    unsafe fn unlock(&self) {
        self.0.set(false);
        yield_now();
    }
}
