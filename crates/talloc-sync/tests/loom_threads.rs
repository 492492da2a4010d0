//! Models of who may use the heap of a thread, and of blocks on their way home: `cargo xtask loom`.
//!
//! The sources are included here. Without the heavy barrier, the first model must fail.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{Ordering, fence};
use loom::thread;

#[path = "../src/lock/machine.rs"]
#[allow(dead_code, unused_imports, reason = "it is for more than this")]
mod machine;

/// Where the sources look for it.
mod lock {
    pub(crate) use crate::machine;
}

#[path = "../src/threads/entry.rs"]
#[allow(dead_code, reason = "each model needs a part")]
mod entry;

use entry::Entry;

/// What an entry guards, and how often it has been changed.
struct Guarded {
    entry: Entry,
    count: UnsafeCell<usize>,
}

// SAFETY: The count is used only by the party that the entry lets in, which is what the models are about.
unsafe impl Sync for Guarded {}
// SAFETY: As above.
unsafe impl Send for Guarded {}

impl Guarded {
    /// One that the calling thread owns. Its models are made before there are other threads.
    fn owned() -> Arc<Self> {
        let guarded = Self { entry: Entry::new(), count: UnsafeCell::new(0) };
        assert!(guarded.entry.claim_fresh());
        guarded.entry.enter(pause);
        guarded.entry.exit();
        Arc::new(guarded)
    }

    fn count(&self) {
        // SAFETY: The entry has let the caller in.
        self.count.with_mut(|count| unsafe { *count += 1 });
    }

    fn count_as_owner(&self) {
        self.entry.enter(pause);
        self.count();
        self.entry.exit();
    }

    fn count_as_other(&self, barrier: fn() -> bool) -> bool {
        let is_in = self.entry.borrow(barrier);
        if is_in {
            self.count();
            self.entry.give_back();
        }
        is_in
    }
}

fn pause() {
    thread::yield_now();
}

fn heavy_barrier() -> bool {
    fence(Ordering::SeqCst);
    true
}

fn owner_and_other(barrier: fn() -> bool) {
    loom::model(move || {
        let guarded = Guarded::owned();
        let other = {
            let guarded = guarded.clone();
            thread::spawn(move || usize::from(guarded.count_as_other(barrier)))
        };
        guarded.count_as_owner();
        guarded.count_as_owner();
        let others = other.join().unwrap();
        // SAFETY: The other thread is gone.
        assert_eq!(guarded.count.with(|count| unsafe { *count }), 2 + others);
    });
}

#[test]
fn an_owner_and_another_thread_are_never_inside_at_once() {
    owner_and_other(heavy_barrier);
}

#[test]
#[should_panic]
fn without_the_heavy_barrier_they_are() {
    owner_and_other(|| true);
}

#[test]
fn a_heap_that_is_left_has_one_owner_or_visitor() {
    loom::model(|| {
        let guarded = Guarded::owned();
        guarded.count_as_owner();
        guarded.entry.disown();
        let next = {
            let guarded = guarded.clone();
            thread::spawn(move || {
                let is_owner = guarded.entry.claim();
                if is_owner {
                    guarded.count_as_owner();
                }
                usize::from(is_owner)
            })
        };
        let is_visitor = guarded.entry.visit();
        if is_visitor {
            guarded.count();
            guarded.entry.leave();
        }
        let owners = next.join().unwrap();
        // SAFETY: The other thread is gone.
        let count = guarded.count.with(|count| unsafe { *count });
        assert_eq!(count, 1 + owners + usize::from(is_visitor));
        assert!(owners == 1 || is_visitor);
    });
}
