//! Critical sections for threads, on each of which interrupts can be made to happen.
//!
//! A thread plays a core. Where its outermost critical section begins and ends, and anywhere
//! between two, its interrupts are let in: the handler runs on the same stack, and the thread goes
//! on when it is done. An interrupt that comes within a critical section waits for the end of the
//! outermost one. Sections exclude those of other threads, too, as on a machine with several cores.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use critical_section::{Impl, RawRestoreState};
use lock_api::RawReentrantMutex;
use parking_lot::{RawMutex, RawThreadId};

static CORES: RawReentrantMutex<RawMutex, RawThreadId> = RawReentrantMutex::INIT;

std::thread_local! {
    /// How many critical sections this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static CONTROLLER: RefCell<Option<Controller>> = const { RefCell::new(None) };
}

struct Sections;
critical_section::set_impl!(Sections);

// SAFETY: A section excludes all others but those nested in it, until the outermost one ends, and
// the lock has the ordering.
unsafe impl Impl for Sections {
    unsafe fn acquire() -> RawRestoreState {
        boundary();
        CORES.lock();
        DEPTH.replace(DEPTH.get() + 1)
    }

    unsafe fn release(before: RawRestoreState) {
        assert_eq!(DEPTH.get(), before + 1, "sections end in the reverse of their order");
        DEPTH.set(before);
        // SAFETY: This thread has locked it as often as it is in sections, this one included.
        unsafe { CORES.unlock() };
        boundary();
    }
}

/// At which beginnings and ends of critical sections, counted from 1 on, an interrupt is requested.
pub enum When {
    At(Vec<usize>),
    Every(usize),
}

/// What decides when the handler runs.
struct Controller {
    when: When,
    handler: Rc<dyn Fn()>,
    /// How many handlers may interrupt each other.
    levels: usize,
    /// How many are running.
    running: usize,
    /// Interrupts that wait.
    pending: usize,
    counts: Counts,
}

/// What has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Beginnings and ends of critical sections.
    pub boundaries: usize,
    /// Interrupts that have been handled, and how many of them in the midst of a handler.
    pub handled: usize,
    pub nested: usize,
}

impl Controller {
    fn count_boundary(&mut self) {
        self.counts.boundaries += 1;
        let number = self.counts.boundaries;
        let requested = match &self.when {
            When::At(numbers) => numbers.contains(&number),
            When::Every(step) => number % step == 0,
        };
        // Handlers at the highest level are not interrupted, or they would never end.
        self.pending += usize::from(requested && self.running < self.levels);
    }

    /// The handler, if it is to run now.
    fn enter(&mut self) -> Option<Rc<dyn Fn()>> {
        if self.pending == 0 || self.running == self.levels {
            return None;
        }
        self.pending -= 1;
        self.counts.handled += 1;
        self.counts.nested += usize::from(self.running > 0);
        self.running += 1;
        Some(Rc::clone(&self.handler))
    }
}

/// Runs `program` with interrupts, of which as many as `levels` may interrupt each other. Returns
/// what has been counted.
pub fn interrupted(
    when: When,
    levels: usize,
    handler: impl Fn() + 'static,
    program: impl FnOnce(),
) -> Counts {
    let (handler, counts) = (Rc::new(handler), Counts::default());
    CONTROLLER.set(Some(Controller { when, handler, levels, running: 0, pending: 0, counts }));
    program();
    let done = CONTROLLER.take().unwrap();
    assert_eq!((DEPTH.get(), done.running, done.pending), (0, 0, 0));
    done.counts
}

/// How many critical sections this thread is in.
pub fn depth() -> u32 {
    DEPTH.get()
}

/// What has been counted so far; nothing where there are no interrupts.
pub fn counts() -> Counts {
    with_controller(|controller| controller.counts).unwrap_or_default()
}

/// Counts the beginning or the end of a section, and lets interrupts in where there is none.
fn boundary() {
    with_controller(Controller::count_boundary);
    while depth() == 0 {
        let Some(handler) = with_controller(Controller::enter).flatten() else { break };
        handler();
        with_controller(|controller| controller.running -= 1);
    }
}

/// Calls `f` with what decides about interrupts, if this thread has any.
fn with_controller<T>(f: impl FnOnce(&mut Controller) -> T) -> Option<T> {
    CONTROLLER.with_borrow_mut(|controller| controller.as_mut().map(f))
}
