//! What the timer's interrupt handler does: it takes a sample and puts it into a queue.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::RefCell;

use critical_section::Mutex;

/// Samples that the program has not taken yet are at most so many.
const MAX_QUEUED: usize = 8;

pub struct Sample {
    pub sensor: u8,
    pub readings: Vec<u16>,
}

/// Boxes, so that a sample is not copied while interrupts wait.
static QUEUE: Mutex<RefCell<Queue>> =
    Mutex::new(RefCell::new(Queue { samples: VecDeque::new(), taken: 0, dropped: 0 }));

struct Queue {
    samples: VecDeque<Box<Sample>>,
    taken: u32,
    dropped: u32,
}

/// To be called by the timer's interrupt handler.
pub fn tick() {
    let number = with_queue(|queue| queue.taken);
    let sample = Box::new(measure(number));
    // What is pushed out is freed here, in the handler, if the program has no time for it.
    let _oldest = with_queue(|queue| {
        queue.taken += 1;
        queue.samples.push_back(sample);
        let oldest =
            if queue.samples.len() > MAX_QUEUED { queue.samples.pop_front() } else { None };
        queue.dropped += u32::from(oldest.is_some());
        oldest
    });
}

/// The oldest sample, if there is one.
pub fn next() -> Option<Box<Sample>> {
    with_queue(|queue| queue.samples.pop_front())
}

/// Throws all samples away, and the queue's memory. Returns how many samples were taken, and how
/// many of these were pushed out of the queue or thrown away.
pub fn finish() -> (u32, u32) {
    let (samples, taken, dropped) =
        with_queue(|queue| (core::mem::take(&mut queue.samples), queue.taken, queue.dropped));
    (taken, dropped + samples.len() as u32)
}

/// Stands for sensors: how many readings there are, and what they are, depends on the number.
fn measure(number: u32) -> Sample {
    let sensor = (number % 5) as u8;
    let first = number as u16;
    Sample { sensor, readings: (first..).step_by(3).take(1 + number as usize % 20).collect() }
}

impl Sample {
    /// Panics if it is not as it was measured.
    pub fn check(&self) {
        let expected = measure(self.readings[0].into());
        assert!(self.readings == expected.readings, "a sample has changed in the queue");
        assert!(self.sensor == expected.sensor, "a sample is of another sensor");
    }
}

fn with_queue<T>(f: impl FnOnce(&mut Queue) -> T) -> T {
    critical_section::with(|section| f(&mut QUEUE.borrow_ref_mut(section)))
}
