//! Critical sections for threads, with simulated interrupts.
//!
//! A thread plays a core. Interrupts occur where its outermost critical section begins or ends, and at any time between
//! sections: the handler runs on the same stack, and then the thread continues. An interrupt within a critical section
//! is pending until the outermost one ends. Sections also exclude those of other threads, as on a multi-core machine.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use critical_section::{Impl, RawRestoreState};
use lock_api::RawReentrantMutex;
use parking_lot::{RawMutex, RawThreadId};

static CORES: RawReentrantMutex<RawMutex, RawThreadId> = RawReentrantMutex::INIT;

std::thread_local! {
    /// The depth of nested critical sections of this thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static CONTROLLER: RefCell<Option<Controller>> = const { RefCell::new(None) };
}

struct Sections;
critical_section::set_impl!(Sections);

// SAFETY: A section excludes all others except nested ones until the outermost one ends. The lock provides the
// ordering.
unsafe impl Impl for Sections {
    unsafe fn acquire() -> RawRestoreState {
        boundary();
        CORES.lock();
        DEPTH.replace(DEPTH.get() + 1)
    }

    unsafe fn release(before: RawRestoreState) {
        assert_eq!(DEPTH.get(), before + 1, "sections must end in reverse order");
        DEPTH.set(before);
        // SAFETY: This thread has locked it once for each nested section, including this one.
        unsafe { CORES.unlock() };
        boundary();
    }
}

/// The boundaries of critical sections at which an interrupt is requested, counted from 1.
pub enum When {
    At(Vec<usize>),
    Every(usize),
}

/// Decides when the handler runs.
struct Controller {
    when: When,
    handler: Rc<dyn Fn()>,
    /// The largest number of nested handlers.
    levels: usize,
    /// The number of running handlers.
    running: usize,
    /// The number of pending interrupts.
    pending: usize,
    counts: Counts,
}

/// Counts of boundaries and interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Beginnings and ends of critical sections.
    pub boundaries: usize,
    /// Interrupts that were handled, and how many of them interrupted a handler.
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
        // Handlers at the highest level are not interrupted, because they would never end.
        self.pending += usize::from(requested && self.running < self.levels);
    }

    /// Returns the handler if it must run now.
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

/// Runs `program` with interrupts. Up to `levels` handlers may be nested. Returns the counts.
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

/// Returns the depth of nested critical sections of this thread.
pub fn depth() -> u32 {
    DEPTH.get()
}

/// Returns the counts so far, or zeros without interrupts.
pub fn counts() -> Counts {
    with_controller(|controller| controller.counts).unwrap_or_default()
}

/// Counts a boundary of a section. Outside all sections, runs pending handlers.
fn boundary() {
    with_controller(Controller::count_boundary);
    while depth() == 0 {
        let Some(handler) = with_controller(Controller::enter).flatten() else { break };
        handler();
        with_controller(|controller| controller.running -= 1);
    }
}

/// Calls `f` with the controller, if this thread has interrupts.
fn with_controller<T>(f: impl FnOnce(&mut Controller) -> T) -> Option<T> {
    CONTROLLER.with_borrow_mut(|controller| controller.as_mut().map(f))
}
