//! A lock that is never waited for, and that may belong to a thread.
//!
//! An atomic read-modify-write keeps the processor from going on with what comes next. A thread that a
//! lock belongs to, its *owner*, needs none. It says that it has the value in a word of its own, `held`,
//! and then looks at `state`; everybody else says in `state` that the value is wanted, and then
//! looks at `held`:
//!
//! ```text
//! owner                          anybody else
//! A  held = true                 W  state: OWNED -> OWNED | WANTED, by compare-exchange
//! B  light barrier               X  heavy barrier
//! C  state == OWNED, exactly?    Y  held == false?
//!    ... the value ...              ... the value ...
//! D  held = false, releasing     Z  state = OWNED, releasing
//! ```
//!
//! Who sees that the other one was first takes its word back, and goes elsewhere.
//!
//! # Why no two threads have the value
//!
//! The barriers do together what two `fence(SeqCst)` do: of any light one and any heavy one, one
//! comes first, and what precedes the first is seen by what follows the second. If B comes first, Y
//! sees A, or what the owner wrote later: either the value is held, or Y sees D, which releases what
//! the owner did to what Y acquires. If X comes first, C sees W, or what was written later: either
//! the value is wanted, or C sees Z, which releases to what C acquires. The models in
//! `tests/loom_biased` have two such fences as barriers, and find out if one of them is missing.
//!
//! A light barrier is for the compiler alone. The heavy one interrupts all processors that run a
//! thread of the program, so that each of them has done what it was about to, as if its last light
//! barrier had been a fence ([`Pick::barrier`](super::Pick::barrier)). Where there is none, no lock
//! has an owner.
//!
//! A signal handler may find its own thread between A and D; then it goes elsewhere. If it comes
//! before A, it has done all when A happens.

use core::ops::{Deref, DerefMut};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::machine::{AtomicBool, AtomicUsize, Shared, light_barrier};

/// Somebody has had the value: it is worth looking at.
const USED: usize = 1;
/// The lock belongs to a thread.
const OWNED: usize = 2;
/// Somebody has the value, or is about to look whether its owner has it.
const WANTED: usize = 4;

/// A value that one thread has at a time; who finds that another one has it goes elsewhere.
pub(crate) struct Biased<T> {
    /// Whether the owner has the value, or is about to look whether it may.
    held: AtomicBool,
    state: AtomicUsize,
    value: Shared<T>,
}

impl<T> Biased<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { held: AtomicBool::new(false), state: AtomicUsize::new(0), value: Shared::new(value) }
    }

    /// The value, for its owner, unless somebody has it.
    ///
    /// # Safety
    ///
    /// No other thread that may make it its own runs at the same time, and what that did has
    /// happened before.
    #[inline(always)]
    pub(crate) unsafe fn try_hold_own(&self) -> Option<HeldOwn<'_, T>> {
        if self.held.load(Relaxed) {
            return None;
        }
        self.held.store(true, Relaxed);
        light_barrier();
        // When this is not so, `held` is taken back.
        let held = HeldOwn(self);
        (self.state.load(Acquire) == USED | OWNED).then_some(held)
    }

    /// Makes the value the caller's own, and gives it, unless it is that already or somebody has it.
    ///
    /// # Safety
    ///
    /// As for [`try_hold_own`](Self::try_hold_own).
    pub(crate) unsafe fn adopt(&self) -> Option<Held<'_, T>> {
        self.try_hold_as(USED | OWNED)
    }

    /// The value, unless somebody has it or it belongs to a thread.
    #[inline(always)]
    pub(crate) fn try_hold(&self) -> Option<Held<'_, T>> {
        self.try_hold_as(USED)
    }

    /// The value, unless somebody has it or it belongs to a thread; when it is let go, the state will
    /// be another one.
    #[inline(always)]
    fn try_hold_as(&self, after: usize) -> Option<Held<'_, T>> {
        let state = self.state.load(Relaxed);
        (state & (OWNED | WANTED) == 0 && self.want_from(state)).then(|| Held { lock: self, after })
    }

    /// Says that the value is wanted, unless somebody else does. Whether somebody has it turns out
    /// after a heavy barrier.
    ///
    /// Also nothing if nobody has ever had it.
    pub(crate) fn want(&self) -> Option<Wanted<'_, T>> {
        let state = self.state.load(Relaxed);
        (state & USED != 0 && state & WANTED == 0 && self.want_from(state))
            .then(|| Wanted(Held { lock: self, after: state }))
    }

    #[inline(always)]
    fn want_from(&self, state: usize) -> bool {
        self.state.compare_exchange(state, state | WANTED, Acquire, Relaxed).is_ok()
    }
}

/// The value, for its owner, until this is dropped.
pub(crate) struct HeldOwn<'a, T>(&'a Biased<T>);

/// The value, until this is dropped.
pub(crate) struct Held<'a, T> {
    lock: &'a Biased<T>,
    /// The lock's state then.
    after: usize,
}

/// A value that nobody but its owner can get before this is dropped.
pub(crate) struct Wanted<'a, T>(Held<'a, T>);

impl<'a, T> Wanted<'a, T> {
    /// The value, unless its owner has it. `barrier` is called if it has one, and returns whether
    /// there has been a heavy barrier since the value is wanted.
    pub(crate) fn hold(self, barrier: impl FnOnce() -> bool) -> Option<Held<'a, T>> {
        let is_owned = self.0.after & OWNED != 0;
        (!is_owned || barrier() && !self.0.lock.held.load(Acquire)).then_some(self.0)
    }
}

macro_rules! guard {
    ($name:ident, |$self:ident| $lock:expr, $release:expr) => {
        impl<T> Deref for $name<'_, T> {
            type Target = T;

            #[inline(always)]
            fn deref(&self) -> &T {
                let $self = self;
                // SAFETY: Nobody else has the value, as the module says.
                unsafe { &*$lock.value.get() }
            }
        }

        impl<T> DerefMut for $name<'_, T> {
            #[inline(always)]
            fn deref_mut(&mut self) -> &mut T {
                let $self = self;
                // SAFETY: As for `deref`.
                unsafe { &mut *$lock.value.get() }
            }
        }

        impl<T> Drop for $name<'_, T> {
            #[inline(always)]
            fn drop(&mut self) {
                let $self = self;
                $release;
            }
        }
    };
}

guard!(HeldOwn, |own| own.0, own.0.held.store(false, Release));
guard!(Held, |held| held.lock, held.lock.state.store(held.after, Release));
