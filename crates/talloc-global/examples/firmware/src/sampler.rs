//! The work of the timer's interrupt handler: it takes a sample and appends it to a queue.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::RefCell;

use critical_section::Mutex;

/// The largest number of samples in the queue.
const MAX_QUEUED: usize = 8;

pub struct Sample {
    pub sensor: u8,
    pub readings: Vec<u16>,
}

/// Samples are boxed, so that critical sections do not copy them.
static QUEUE: Mutex<RefCell<Queue>> =
    Mutex::new(RefCell::new(Queue { samples: VecDeque::new(), taken: 0, dropped: 0 }));

struct Queue {
    samples: VecDeque<Box<Sample>>,
    taken: u32,
    dropped: u32,
}

/// Takes a sample. Called by the timer's interrupt handler.
pub fn tick() {
    let number = with_queue(|queue| queue.taken);
    let sample = Box::new(measure(number));
    // If the queue is full, this frees its oldest sample, in the interrupt handler.
    let _oldest = with_queue(|queue| {
        queue.taken += 1;
        queue.samples.push_back(sample);
        let oldest =
            if queue.samples.len() > MAX_QUEUED { queue.samples.pop_front() } else { None };
        queue.dropped += u32::from(oldest.is_some());
        oldest
    });
}

/// Removes and returns the oldest sample.
pub fn next() -> Option<Box<Sample>> {
    with_queue(|queue| queue.samples.pop_front())
}

/// Frees all samples and the queue. Returns the number of samples taken, and the number dropped.
pub fn finish() -> (u32, u32) {
    let (samples, taken, dropped) =
        with_queue(|queue| (core::mem::take(&mut queue.samples), queue.taken, queue.dropped));
    (taken, dropped + samples.len() as u32)
}

/// Simulates a sensor. The number determines the count of readings and their values.
fn measure(number: u32) -> Sample {
    let sensor = (number % 5) as u8;
    let first = number as u16;
    Sample { sensor, readings: (first..).step_by(3).take(1 + number as usize % 20).collect() }
}

impl Sample {
    /// Panics if the sample has changed since it was measured.
    pub fn check(&self) {
        let expected = measure(self.readings[0].into());
        assert!(self.readings == expected.readings, "a sample has changed in the queue");
        assert!(self.sensor == expected.sensor, "a sample is of another sensor");
    }
}

fn with_queue<T>(f: impl FnOnce(&mut Queue) -> T) -> T {
    critical_section::with(|section| f(&mut QUEUE.borrow_ref_mut(section)))
}
