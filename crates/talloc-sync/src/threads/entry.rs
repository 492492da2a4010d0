//! The right to use a heap: its owner has it, or, for a short time, another thread.
//!
//! The owner enters its heap very often. It does so without an atomic read-modify-write, which would stall the processor.
//! The owner first sets a word that only it writes, `inside`, and then reads `state`. Another thread first sets `state` to
//! `WANTED`, and then reads `inside`:
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
//! Together, a light and a heavy barrier act like two `fence(SeqCst)`: one of the two comes first, and accesses after the
//! second barrier see writes before the first. If B comes first, Y sees A, or D or a later write, which releases the
//! owner's accesses. If X comes first, C sees W, or Z, which releases the other thread's accesses. The models in
//! `tests/loom_threads.rs` use two such fences as barriers, and fail if one of them is missing.
//!
//! A light barrier is only a compiler fence. The heavy barrier is a system call that interrupts all processors that run a
//! thread of the program, which turns their last light barriers into fences. On systems without such a call, only the
//! owner enters the heap of a living thread.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::lock::machine::{AtomicBool, AtomicUsize, hint, light_barrier};

/// No thread has ever had the heap.
const FRESH: usize = 0;
/// A thread owns the heap.
const OWNED: usize = 1;
/// Another thread uses the heap of its owner, or waits until the owner is outside.
const WANTED: usize = 2;
/// A thread has had the heap, and no thread owns it now.
const IDLE: usize = 3;
/// A thread uses the heap, which no thread owns.
const VISITED: usize = 4;
/// After a fork, the owner does not exist. It may have left the heap in the middle of an operation.
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

    /// Makes the caller the owner of the heap, if no thread owns or uses it. Synchronises with earlier users.
    pub(super) fn claim(&self) -> bool {
        self.turn(IDLE, OWNED)
    }

    /// Makes the caller the owner of the heap, if no thread has ever had it.
    pub(super) fn claim_fresh(&self) -> bool {
        self.turn(FRESH, OWNED)
    }

    /// Whether no thread has ever had the heap.
    pub(super) fn is_fresh(&self) -> bool {
        self.state.load(Relaxed) == FRESH
    }

    /// Whether a thread has had the heap, and no thread owns or uses it now.
    pub(super) fn is_idle(&self) -> bool {
        self.state.load(Relaxed) == IDLE
    }

    /// Gives up the ownership. The caller owns the heap, and is outside.
    pub(super) fn disown(&self) {
        while !self.turn(OWNED, IDLE) {
            hint::spin_loop();
        }
    }

    /// Takes the heap for a short time, if no thread owns it.
    pub(super) fn visit(&self) -> bool {
        self.turn(IDLE, VISITED)
    }

    /// Ends a visit.
    pub(super) fn leave(&self) {
        self.state.store(IDLE, Release);
    }

    /// Takes the heap of a living thread for a short time, if the thread is outside or comes out soon.
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

    /// Returns a borrowed heap.
    pub(super) fn give_back(&self) {
        self.state.store(OWNED, Release);
    }

    /// Whether a thread owns the heap and nobody else is using it.
    pub(super) fn is_owned(&self) -> bool {
        self.state.load(Relaxed) == OWNED
    }

    /// Gives up the heap for ever. No thread enters it again.
    pub(super) fn lose(&self) {
        if !self.is_fresh() {
            self.state.store(LOST, Relaxed);
        }
    }

    /// Keeps the heap of the caller in the child of a fork. A thread that had borrowed it does not exist there, and has
    /// changed nothing.
    pub(super) fn keep(&self) {
        self.turn(WANTED, OWNED);
    }

    /// Whether a thread has or has had the heap, and the heap is whole.
    pub(super) fn is_in_use(&self) -> bool {
        !matches!(self.state.load(Relaxed), FRESH | LOST)
    }

    /// Lets the owner in. While another thread has the heap, the owner waits, and calls `pause`.
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

/// The most times to check whether the owner has come out.
const PATIENCE: usize = if cfg!(loom) { 1 } else { 10_000 };
