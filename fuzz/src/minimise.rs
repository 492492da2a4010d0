//! Shortens failing scripts.

use std::panic;

use crate::ops::Script;
use crate::run::Failure;

/// The largest number of scripts to try.
const TRIES: usize = 4000;

/// A script from which operations can be removed.
pub trait Shorten {
    /// Returns the number of operations.
    fn count(&self) -> usize;

    /// Returns the script without up to `count` operations from `start` on.
    #[must_use]
    fn without(&self, start: usize, count: usize) -> Self;
}

/// Removes operations as long as the script still fails in any way (Zeller's ddmin).
///
/// Meanwhile, panics are not printed, not even those of other threads.
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
        // Removing one operation may make another superfluous, so this repeats until nothing changes.
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
