//! Shortening scripts that fail.

use std::panic;

use crate::ops::{Op, Script};
use crate::run::Failure;

/// How many scripts are tried, at the most.
const TRIES: usize = 4000;

/// Leaves out operations for as long as the script fails, in whatever way (Zeller's ddmin).
///
/// Panics are not printed meanwhile, not even those of other threads.
pub(crate) fn minimise(
    failure: Failure,
    run: impl Fn(&Script) -> Result<usize, Box<Failure>>,
) -> Failure {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let mut best = failure;
    let mut tries = 0;
    let mut step = best.script.ops.len().div_ceil(2);
    while step > 0 && tries < TRIES {
        let mut start = 0;
        let mut shorter = false;
        while start < best.script.ops.len() && tries < TRIES {
            tries += 1;
            match run(&without(&best.script, start, step)) {
                Err(failure) => {
                    best = *failure;
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

/// The script without `count` operations from `start` on.
fn without(script: &Script, start: usize, count: usize) -> Script {
    let mut ops: Vec<Op> = script.ops.clone();
    ops.drain(start..(start + count).min(script.ops.len()));
    Script { setup: script.setup.clone(), ops }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Mix, Profile, Setup};
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
                let (message, calls) = ("flushed".into(), String::new());
                Err(Box::new(Failure { script: script.clone(), message, calls }))
            } else {
                Ok(0)
            }
        };
        let script = Script::random(setup, Mix::Heap, 1, 500);
        let failure = run(&script).expect_err("there are enough of both");
        let shortest = minimise(*failure, run);
        assert_eq!(shortest.script.ops, [Op::Move, Op::Flush]);
        assert_eq!(shortest.message, "flushed");
    }
}
