//! Shortening scripts that fail.

use std::panic;

use crate::ops::Script;
use crate::run::Failure;

/// How many scripts are tried, at the most.
const TRIES: usize = 4000;

/// What operations can be left out of.
pub trait Shorten {
    /// The number of operations.
    fn count(&self) -> usize;

    /// The script without `count` operations from `start` on, or as many as there are.
    #[must_use]
    fn without(&self, start: usize, count: usize) -> Self;
}

/// Leaves out operations for as long as the script fails, in whatever way (Zeller's ddmin).
///
/// Panics are not printed meanwhile, not even those of other threads.
pub fn minimise<S: Shorten>(
    script: S,
    failure: Failure,
    run: impl Fn(&S) -> Result<usize, Box<Failure>>,
) -> (S, Failure) {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let mut best = (script, failure);
    let mut tries = 0;
    let mut step = best.0.count().div_ceil(2);
    while step > 0 && tries < TRIES {
        let mut start = 0;
        let mut shorter = false;
        while start < best.0.count() && tries < TRIES {
            tries += 1;
            let script = best.0.without(start, step);
            match run(&script) {
                Err(failure) => {
                    best = (script, *failure);
                    shorter = true;
                }
                Ok(_) => start += step,
            }
        }
        // Leaving out one thing may make another superfluous: go round until nothing changes.
        if !shorter || step > 1 {
            step /= 2;
        }
    }
    panic::set_hook(hook);
    best
}

impl Shorten for Script {
    fn count(&self) -> usize {
        self.ops.len()
    }

    fn without(&self, start: usize, count: usize) -> Self {
        let mut short = self.clone();
        short.ops.drain(start..(start + count).min(self.ops.len()));
        short
    }
}
