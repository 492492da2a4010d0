//! An interrupt handler that allocates and frees, and so does the program it interrupts.
//!
//! Each has its own blocks. They also exchange blocks: one allocates what the other frees.

use alloc::boxed::Box;
use core::cell::RefCell;

use critical_section::Mutex;
use talloc_global::config::Config;
use talloc_global::{Source, TallocCritical};

use crate::Plan;
use crate::walk::{Counts, Walk};

/// The largest number of blocks of the handler, and of the program.
const BLOCKS: usize = 8;

/// The largest size of a block, in bytes.
const MAX: usize = 600;

/// The largest number of steps per interrupt that the program waits for.
const PATIENCE: usize = 50;

/// The state of the handler. It is taken out while the handler runs.
static HANDLER: Mutex<RefCell<Option<Handler>>> = Mutex::new(RefCell::new(None));

/// A block for the handler to free, and one for the program to free.
static FOR_HANDLER: Mailbox = Mailbox::new();
static FOR_PROGRAM: Mailbox = Mailbox::new();

/// The state of the handler.
struct Handler {
    walk: Walk<BLOCKS>,
    ticks: usize,
    received: usize,
}

/// The numbers of interrupts, of steps, and of blocks handed over.
#[derive(Debug)]
pub struct Summary {
    pub ticks: usize,
    pub steps: usize,
    pub handed_over: usize,
}

/// Allocates and frees until the timer has interrupted `plan.ticks` times.
///
/// # Panics
///
/// If a check fails, or if the timer does not interrupt.
pub fn check<C: Config, S: Source<C>>(heap: &TallocCritical<C, S>, plan: &Plan) -> Summary {
    let mut handle = heap;
    // Blocks are small because there are two walks at a time, and because a handler must be fast.
    let largest = (plan.largest / 4).min(MAX);
    let plan = Plan { largest, align_log2: plan.align_log2.min(5), ..*plan };
    let mut walk = Walk::<BLOCKS>::new(&plan, 2);
    let handler = Handler { walk: Walk::new(&plan, 3), ticks: 0, received: 0 };
    put(Some(handler));

    let mut received = 0;
    while ticks() < plan.ticks && walk.counts().steps < PATIENCE * plan.ticks {
        walk.step(&mut handle);
        FOR_HANDLER.send(walk.counts().steps);
        received += usize::from(FOR_PROGRAM.receive());
    }
    let handler = take().expect("no handler is running");
    assert!(handler.ticks >= plan.ticks, "the timer does not interrupt");
    let least = received.min(handler.received);
    assert!(least >= plan.ticks / 4, "the handler and the program hardly take turns: {least}");
    finish(handle, walk, handler, received)
}

/// The body of the timer's interrupt handler. Does nothing unless [`check`] is running.
pub fn tick<C: Config, S: Source<C>>(mut heap: &TallocCritical<C, S>) {
    // Takes the state out of its cell, so that the critical section is short and other interrupts can be served.
    let Some(mut handler) = take() else { return };
    handler.ticks += 1;
    handler.walk.step(&mut heap);
    handler.received += usize::from(FOR_HANDLER.receive());
    FOR_PROGRAM.send(handler.ticks);
    put(Some(handler));
}

/// Frees all remaining blocks.
fn finish<C: Config, S: Source<C>>(
    mut heap: &TallocCritical<C, S>,
    mut walk: Walk<BLOCKS>,
    mut handler: Handler,
    received: usize,
) -> Summary {
    walk.finish(&mut heap);
    handler.walk.finish(&mut heap);
    FOR_HANDLER.receive();
    FOR_PROGRAM.receive();
    let Counts { steps, .. } = walk.counts();
    Summary { ticks: handler.ticks, steps, handed_over: received + handler.received }
}

fn take() -> Option<Handler> {
    critical_section::with(|section| HANDLER.borrow_ref_mut(section).take())
}

fn put(handler: Option<Handler>) {
    critical_section::with(|section| *HANDLER.borrow_ref_mut(section) = handler);
}

fn ticks() -> usize {
    let ticks = |handler: &Handler| handler.ticks;
    critical_section::with(|section| HANDLER.borrow_ref(section).as_ref().map_or(0, ticks))
}

/// A slot for one block.
struct Mailbox(Mutex<RefCell<Option<Box<[usize]>>>>);

impl Mailbox {
    const fn new() -> Self {
        Self(Mutex::new(RefCell::new(None)))
    }

    /// Stores a new block, unless the slot is full.
    fn send(&self, number: usize) {
        let is_full = critical_section::with(|section| self.0.borrow_ref(section).is_some());
        if !is_full {
            let block = (0..2 + number % 16).map(|at| number + at).collect();
            critical_section::with(|section| *self.0.borrow_ref_mut(section) = Some(block));
        }
    }

    /// Takes, checks and frees the block. Returns whether there was one.
    fn receive(&self) -> bool {
        let block = critical_section::with(|section| self.0.borrow_ref_mut(section).take());
        let Some(block) = block else { return false };
        assert!(block.len() == 2 + block[0] % 16, "a block has lost its length");
        assert!(
            block.iter().copied().eq(block[0]..block[0] + block.len()),
            "the block was overwritten"
        );
        true
    }
}
