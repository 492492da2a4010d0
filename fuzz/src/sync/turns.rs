//! Points where a logical thread lets others in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use lock_api::{GuardNoSend, RawMutex};

thread_local! {
    static HOOK: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Calls `hook` wherever `run` lets other logical threads in.
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

/// Lets other logical threads in.
pub fn yield_now() {
    // A call that has panicked is not resumed.
    if std::thread::panicking() {
        return;
    }
    let hook = HOOK.with_borrow(Clone::clone);
    if let Some(hook) = hook {
        hook();
    }
}

/// A lock for logical threads, who are let in each time that it is released.
///
/// It must be free whenever it is taken, as nobody could release it while somebody waits.
#[derive(Debug)]
pub struct Turns(Cell<bool>);

// SAFETY: It cannot be shared between real threads, and panics if it is taken twice.
unsafe impl RawMutex for Turns {
    #[allow(clippy::declare_interior_mutable_const, reason = "as the trait has it")]
    const INIT: Self = Self(Cell::new(false));

    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        assert!(self.try_lock(), "the lock is taken while it is held");
    }

    fn try_lock(&self) -> bool {
        !self.0.replace(true)
    }

    unsafe fn unlock(&self) {
        self.0.set(false);
        yield_now();
    }
}
