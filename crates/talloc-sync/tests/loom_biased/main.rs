//! Models of the lock of the magazines' slots, which may belong to a thread: `cargo xtask loom`.
//!
//! Its source is included here, with barriers that are there or missing: without either of them,
//! the models must fail.
#![cfg(loom)]

use loom::sync::{Arc, atomic::Ordering, atomic::fence};
use loom::thread;

#[path = "../../src/lock/machine.rs"]
#[allow(dead_code, unused_imports, reason = "it is for more than this lock")]
mod machine;

mod hasty;
mod sound;

/// What the locks have in common. Each of these counts if it gets the value, and returns whether it
/// did.
trait Slot {
    /// A lock that has counted once.
    fn make() -> Self;
    fn adopt_it(&self) -> bool;
    fn count_own(&self) -> bool;
    fn count(&self) -> bool;
    fn count_wanted(&self, barrier: impl FnOnce() -> bool) -> bool;
    fn get(&self) -> usize;
}

macro_rules! slot {
    ($lock:ty) => {
        impl Slot for $lock {
            fn make() -> Self {
                let lock = Self::new(0);
                // Its models are made when they are first used, before there are other threads.
                assert!(!lock.count_own() && lock.count());
                lock
            }

            fn adopt_it(&self) -> bool {
                // SAFETY: As below.
                unsafe { self.adopt() }.map(|mut value| *value += 1).is_some()
            }

            fn count_own(&self) -> bool {
                // SAFETY: The models see to it that there is one owner.
                unsafe { self.try_hold_own() }.map(|mut value| *value += 1).is_some()
            }

            fn count(&self) -> bool {
                self.try_hold().map(|mut value| *value += 1).is_some()
            }

            fn count_wanted(&self, barrier: impl FnOnce() -> bool) -> bool {
                let held = self.want().and_then(|wanted| wanted.hold(barrier));
                held.map(|mut value| *value += 1).is_some()
            }

            fn get(&self) -> usize {
                let held = self.want().and_then(|wanted| wanted.hold(heavy_barrier));
                held.map_or(0, |value| *value)
            }
        }
    };
}

slot!(sound::Lock);
slot!(hasty::Lock);

fn heavy_barrier() -> bool {
    fence(Ordering::SeqCst);
    true
}

fn no_barrier() -> bool {
    true
}

/// Lets an owner and others count at once; each that got the value has counted.
fn model<L: Slot + Send + Sync + 'static>(
    others: usize,
    own: impl Fn(&L) -> usize + Send + Sync + 'static,
    other: impl Fn(&L) -> usize + Send + Sync + Copy + 'static,
) {
    loom::model(move || {
        let lock = Arc::new(L::make());
        assert!(lock.adopt_it());
        let others: Vec<_> = (0..others)
            .map(|_| {
                let lock = lock.clone();
                thread::spawn(move || other(&lock))
            })
            .collect();
        let count = own(&lock);
        let others: usize = others.into_iter().map(|other| other.join().unwrap()).sum();
        assert_eq!(lock.get(), 2 + count + others);
    });
}

fn twice<L: Slot>(lock: &L) -> usize {
    usize::from(lock.count_own()) + usize::from(lock.count_own())
}

fn flush<L: Slot>(lock: &L) -> usize {
    usize::from(lock.count_wanted(heavy_barrier))
}

#[test]
fn an_owner_and_another_one() {
    model::<sound::Lock>(1, twice, flush);
}

#[test]
fn an_owner_and_two_others() {
    model::<sound::Lock>(2, |lock| usize::from(lock.count_own()), flush);
}

/// Who does not know that there is an owner does not get the value.
#[test]
fn an_owner_and_one_that_wants_no_owned_value() {
    model::<sound::Lock>(1, twice, |lock| {
        assert!(!lock.count());
        0
    });
}

/// The value becomes a thread's own while another one may have it.
#[test]
fn becoming_the_owner() {
    loom::model(|| {
        let lock = Arc::new(sound::Lock::make());
        let other = thread::spawn({
            let lock = lock.clone();
            move || usize::from(lock.count()) + flush(&*lock)
        });
        let count = usize::from(lock.adopt_it()) + usize::from(lock.count_own());
        let other = other.join().unwrap();
        assert_eq!(lock.get(), 1 + count + other);
    });
}

/// What the owner has said that it holds, nobody else gets.
#[test]
#[should_panic(expected = "Causality violation")]
fn without_a_light_barrier() {
    model::<hasty::Lock>(1, twice, flush);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn without_a_heavy_barrier() {
    model::<sound::Lock>(1, twice, |lock| usize::from(lock.count_wanted(no_barrier)));
}
