//! Who may use a heap: its owner, or, for a moment, somebody else.
//!
//! The owner enters its heap all the time, and needs no atomic read-modify-write for that: an atomic
//! operation would keep the processor from going on. It says in a word of its own, `inside`, that it
//! enters, and then looks at `state`. Somebody else says in `state` that the heap is wanted, and then looks at
//! `inside`:
//!
//! ```text
//! owner                          anybody else
//! A  inside = true               W  state: OWNED -> WANTED, by compare-exchange
//! B  light barrier               X  heavy barrier
//! C  state == OWNED?             Y  inside == false?
//!    ... the heap ...               ... the heap's arenas ...
//! D  inside = false, releasing   Z  state = OWNED, releasing
//! ```
//!
//! # Why no two threads are inside
//!
//! The barriers do together what two `fence(SeqCst)` do: of any light one and any heavy one, one comes first,
//! and what precedes the first is seen by what follows the second. If B comes first, Y sees A, or D or a later
//! write, which releases what the owner did. If X comes first, C sees W, or Z, which releases what the other
//! one did. The models in `tests/loom_threads.rs` have two such fences as barriers, and find out if one of
//! them is missing.
//!
//! A light barrier is for the compiler alone. The heavy one is a system call that interrupts all processors
//! that run a thread of the program, so that its last light barrier was as good as a fence. Where there is no
//! such call, nobody enters the heap of a living thread but the thread itself.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::lock::machine::{AtomicBool, AtomicUsize, hint, light_barrier};

/// Nobody has ever had the heap.
const FRESH: usize = 0;
/// A thread has the heap as its own.
const OWNED: usize = 1;
/// Somebody else has the heap of a thread, or waits until the thread is outside.
const WANTED: usize = 2;
/// Nobody has the heap, which somebody has had.
const IDLE: usize = 3;
/// Somebody has the heap that nobody owns.
const VISITED: usize = 4;
/// The thread that had the heap is gone, and what it was about to do is not known: after a fork.
const LOST: usize = 5;

/// The right to use a heap.
pub(super) struct Entry {
    inside: AtomicBool,
    state: AtomicUsize,
}

impl Entry {
    pub(super) const fn new() -> Self {
        Self { inside: AtomicBool::new(false), state: AtomicUsize::new(FRESH) }
    }

    /// Makes the heap the caller's own, if it is nobody's. What was done with it before has happened.
    pub(super) fn claim(&self) -> bool {
        self.turn(IDLE, OWNED)
    }

    /// [`claim`](Self::claim) of a heap that nobody has ever had.
    pub(super) fn claim_fresh(&self) -> bool {
        self.turn(FRESH, OWNED)
    }

    /// Whether nobody has ever had the heap.
    pub(super) fn is_fresh(&self) -> bool {
        self.state.load(Relaxed) == FRESH
    }

    /// Whether nobody has the heap, which somebody has had.
    pub(super) fn is_idle(&self) -> bool {
        self.state.load(Relaxed) == IDLE
    }

    /// Makes the heap nobody's. The caller is its owner, and outside.
    pub(super) fn disown(&self) {
        while !self.turn(OWNED, IDLE) {
            hint::spin_loop();
        }
    }

    /// Takes the heap that nobody owns, for a moment.
    pub(super) fn visit(&self) -> bool {
        self.turn(IDLE, VISITED)
    }

    /// Lets a visited heap go.
    pub(super) fn leave(&self) {
        self.state.store(IDLE, Release);
    }

    /// Takes the heap of a living thread, for a moment, if the thread is outside or comes out soon.
    pub(super) fn borrow(&self, barrier: impl FnOnce() -> bool) -> bool {
        if !self.turn(OWNED, WANTED) {
            return false;
        }
        let is_outside = barrier()
            && (0..PATIENCE).any(|_| {
                hint::spin_loop();
                !self.inside.load(Acquire)
            });
        if !is_outside {
            self.give_back();
        }
        is_outside
    }

    /// Lets a borrowed heap go.
    pub(super) fn give_back(&self) {
        self.state.store(OWNED, Release);
    }

    /// Whether a thread owns the heap and nobody else is using it.
    pub(super) fn is_owned(&self) -> bool {
        self.state.load(Relaxed) == OWNED
    }

    /// Gives up the heap for ever. Nobody enters it again.
    pub(super) fn lose(&self) {
        if !self.is_fresh() {
            self.state.store(LOST, Relaxed);
        }
    }

    /// Keeps the heap of the caller in the child of a fork: whoever had borrowed it is gone, and has changed nothing.
    pub(super) fn keep(&self) {
        self.turn(WANTED, OWNED);
    }

    /// Whether somebody has the heap or has had it, and it is whole.
    pub(super) fn is_in_use(&self) -> bool {
        !matches!(self.state.load(Relaxed), FRESH | LOST)
    }

    /// Lets the owner in. While somebody else has the heap, it waits, and calls `pause` meanwhile.
    #[inline(always)]
    pub(super) fn enter(&self, pause: fn()) {
        self.inside.store(true, Relaxed);
        light_barrier();
        if self.state.load(Acquire) != OWNED {
            self.enter_later(pause);
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_later(&self, pause: fn()) {
        loop {
            self.inside.store(false, Release);
            while self.state.load(Relaxed) != OWNED {
                pause();
            }
            self.inside.store(true, Relaxed);
            light_barrier();
            if self.state.load(Acquire) == OWNED {
                return;
            }
        }
    }

    /// Lets the owner out.
    #[inline(always)]
    pub(super) fn exit(&self) {
        self.inside.store(false, Release);
    }

    fn turn(&self, from: usize, to: usize) -> bool {
        self.state.load(Relaxed) == from
            && self.state.compare_exchange(from, to, AcqRel, Relaxed).is_ok()
    }
}

/// How often one looks whether the owner has come out.
const PATIENCE: usize = if cfg!(loom) { 1 } else { 10_000 };
