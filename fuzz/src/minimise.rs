//! Shortening scripts that fail.

use std::panic;

use crate::ops::Script;
use crate::run::Failure;

/// How many scripts are tried, at the most.
const TRIES: usize = 4000;

/// What operations can be left out of.
pub(crate) trait Shorten {
    /// The number of operations.
    fn len(&self) -> usize;

    /// The script without `count` operations from `start` on, or as many as there are.
    #[must_use]
    fn without(&self, start: usize, count: usize) -> Self;
}

/// Leaves out operations for as long as the script fails, in whatever way (Zeller's ddmin).
///
/// Panics are not printed meanwhile, not even those of other threads.
pub(crate) fn minimise<S: Shorten>(
    script: S,
    failure: Failure,
    run: impl Fn(&S) -> Result<usize, Box<Failure>>,
) -> (S, Failure) {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let mut best = (script, failure);
    let mut tries = 0;
    let mut step = best.0.len().div_ceil(2);
    while step > 0 && tries < TRIES {
        let mut start = 0;
        let mut shorter = false;
        while start < best.0.len() && tries < TRIES {
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
    fn len(&self) -> usize {
        self.ops.len()
    }

    fn without(&self, start: usize, count: usize) -> Self {
        let mut short = self.clone();
        short.ops.drain(start..(start + count).min(self.ops.len()));
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Mix, Op, Profile, Setup};
    use crate::supply::Kind;

    #[test]
    fn only_what_is_needed_is_left() {
        let setup = Setup {
            profile: Profile::Compact,
            size: 1024,
            skew: 0,
            source: Kind::Refuse,
            max_arenas: 1,
        };
        // Fails with a flush after a move.
        let run = |script: &Script| {
            let mut after = script.ops.iter().skip_while(|op| **op != Op::Move);
            if after.any(|op| *op == Op::Flush) {
                let (message, setup) = ("flushed".into(), String::new());
                Err(Box::new(Failure { message, setup, calls: String::new() }))
            } else {
                Ok(0)
            }
        };
        let script = Script::random(setup, Mix::Heap, 1, 500);
        let failure = run(&script).expect_err("there are enough of both");
        let (shortest, failure) = minimise(script, *failure, run);
        assert_eq!(shortest.ops, [Op::Move, Op::Flush]);
        assert_eq!(failure.message, "flushed");
    }
}
