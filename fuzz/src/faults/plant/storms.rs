//! Events that a heap must survive, with checks by the [`Driver`] after every step: sources that fail, lie and panic,
//! and wrong spans.

use fastrand::Rng;
use talloc_core::{Config, Talloc};

use super::super::class::Class;
use super::super::note;
use super::super::outcome::{Outcome, Verdict};
use crate::catches::Catches;
use crate::driver::Driver;
use crate::heap::Heap;
use crate::ops::{Mix, Op, Pick, Profile, Script, Setup, Wrong};
use crate::supply::{Kind, Supply};

/// The number of operations of a script.
const OPS: usize = 40;

/// Sources that run out of memory, and sources that lie.
const DRY: [Kind; 4] = [Kind::Refuse, Kind::Evict, Kind::Double, Kind::Dribble];
const LIARS: [Kind; 3] = [Kind::Lie, Kind::Again, Kind::Reshape];

/// Runs a script with faults of a class.
pub(in super::super) fn survive<C: Config>(class: Class, seed: u64) -> Outcome {
    let mut random = Rng::with_seed(seed);
    let kinds: &[Kind] = match class {
        Class::LyingSource => &LIARS,
        Class::Starvation => &DRY,
        _ => &Kind::ALL,
    };
    let source = *random.choice(kinds).expect("there are some");
    let setup = Setup {
        profile: Profile::Compact,
        size: *random.choice(&[200, 1 << 10, 4 << 10]).expect("there are some"),
        skew: random.usize(..24),
        source,
        max_arenas: random.usize(1..6),
    };
    let mix = if class == Class::Management { Mix::Arenas } else { Mix::Sources };
    let mut script = Script::random(setup, mix, random.u64(..), OPS);
    if class == Class::PanickingSource {
        let heap = Catches::<C>::new(Supply::new(source).with_fuse(1 + random.usize(..5)));
        return run(heap, &script, |driver| driver.heap().caught(), false);
    }
    let heap = Talloc::<C, _>::with_source(Supply::new(source));
    if class == Class::Management {
        let at = random.usize(..=script.ops.len());
        script.ops.insert(at, wrong(&mut random));
        return run(heap, &script, Driver::refusals, true);
    }
    run(heap, &script, |_| 1, false)
}

/// Returns a call with a wrong span.
fn wrong(random: &mut Rng) -> Op {
    let wrong = *random.choice(&Wrong::ALL).expect("there are some");
    Op::Refused { wrong, pick: Pick(random.u8(..)), size: random.usize(1..4096) }
}

/// Runs a script. `faults` counts its faults.
fn run<H: Heap>(
    heap: H,
    script: &Script,
    faults: impl Fn(&Driver<H>) -> usize,
    are_refused: bool,
) -> Outcome {
    let mut driver = Driver::new(heap, &script.setup);
    match driver.run(&script.ops) {
        Err(message) => Outcome::with_message(Verdict::Missed, message),
        Ok(()) if note::is_any() => {
            Outcome::with_message(Verdict::Missed, format!("false alarm: {:?}", note::take()))
        }
        Ok(()) if faults(&driver) == 0 => Outcome::new(Verdict::Skipped),
        Ok(()) if are_refused => Outcome::new(Verdict::Caught { after: 0, is_late: false }),
        Ok(()) => Outcome::new(Verdict::Harmless),
    }
}
