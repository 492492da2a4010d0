//! A single fault in a program.

use std::panic::{AssertUnwindSafe, catch_unwind};

use talloc_core::Config;

use super::class::Class;
use super::exposure;
use super::note;
use super::outcome::{Outcome, Verdict};
use super::plant::{self, Planted, storms};
use super::program::{Program, Trouble};
use crate::run::panic_message;

/// The largest numbers of calls before and after the fault.
const BEFORE: usize = 160;
const AFTER: usize = 256;

/// The number of words on the stack for faults.
const STACK: usize = 64;

/// How often a program continues for a few calls if it gives no opportunity for the fault.
const TRIES: usize = 40;

/// Plants a fault of a class in a random program on a heap with parameters `C`, and returns the outcome.
///
/// Calls `on_planted` with the size and the distance of the fault, as in [`Outcome`], once it is planted. On a heap
/// without checks, the fault may crash the process, or it may never return.
#[must_use]
pub fn inject<C: Config>(
    class: Class,
    seed: u64,
    on_planted: &mut dyn FnMut(usize, usize),
) -> Outcome {
    note::take();
    note::set_panics(false);
    // The program depends on the class and the seed.
    let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(class as u64);
    let mut known = (0, 0);
    let mut on_planted = |size, distance| {
        known = (size, distance);
        on_planted(size, distance);
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| match class {
        Class::Starvation | Class::LyingSource | Class::PanickingSource | Class::Management => {
            storms::survive::<C>(class, seed)
        }
        Class::ReadAfterFree | Class::Uninitialised => exposure::look::<C>(class, seed),
        _ => plant_in_program::<C>(class, seed, &mut on_planted),
    }));
    outcome.unwrap_or_else(|panic| {
        let (size, distance) = known;
        let message = format!("panicked: {}", panic_message(&*panic));
        Outcome { size, distance, ..Outcome::with_message(Verdict::Crashed, message) }
    })
}

fn plant_in_program<C: Config>(
    class: Class,
    seed: u64,
    on_planted: &mut dyn FnMut(usize, usize),
) -> Outcome {
    let mut stack = [0_u64; STACK];
    let mut program = Program::<C>::new(seed);
    program.stack = stack.as_mut_ptr().cast();
    let before = program.random.usize(BEFORE / 8..BEFORE);
    program.run(before);
    let planted = (0..TRIES).find_map(|_| {
        let planted = plant::plant(class, &mut program, on_planted);
        if planted.is_none() {
            program.run(8);
        }
        planted
    });
    if program.reported.is_some_and(|at| planted.as_ref().is_none_or(|planted| at < planted.at)) {
        return Outcome::with_message(Verdict::Missed, format!("false alarm: {:?}", note::take()));
    }
    let Some(planted) = planted else { return Outcome::new(Verdict::Skipped) };
    on_planted(planted.size, planted.distance);
    program.check_contents();
    let outcome = match program.reported {
        Some(_) => go_on_after_report(&mut program),
        None if planted.is_refused => go_on_after_report(&mut program),
        None => go_on_unnoticed(&mut program, &planted),
    };
    Outcome { size: planted.size, distance: planted.distance, ..outcome }
}

/// The heap refused the wrong call, so the program continues, and everything must be correct.
fn go_on_after_report<C: Config>(program: &mut Program<C>) -> Outcome {
    let reported = note::take();
    program.reported = None;
    let after = program.random.usize(..AFTER);
    program.run(after);
    if program.reported.is_none() {
        program.finish();
    }
    if program.reported.is_some() {
        let why = format!("{reported:?}, then a false alarm: {:?}", note::take());
        return Outcome::with_message(Verdict::Missed, why);
    }
    match at_end(program, None) {
        Outcome { verdict: Verdict::Harmless, .. } => {
            Outcome::new(Verdict::Caught { after: 0, is_late: false })
        }
        outcome => {
            let message = format!("{reported:?}, then {}", outcome.message);
            Outcome::with_message(outcome.verdict, message)
        }
    }
}

/// Returns the outcome of a program without a report.
fn at_end<C: Config>(program: &Program<C>, harm: Option<&String>) -> Outcome {
    if let Some(damage) = program.damage.as_ref().or(harm) {
        return Outcome::with_message(Verdict::Missed, damage);
    }
    match program.find_trouble() {
        Some(Trouble::Broken(message)) => Outcome::with_message(Verdict::Latent, message),
        Some(Trouble::Lost(message)) => Outcome::with_message(Verdict::Lost, message),
        None => Outcome::new(Verdict::Harmless),
    }
}

/// Continues until the fault is reported or all blocks are freed.
fn go_on_unnoticed<C: Config>(program: &mut Program<C>, planted: &Planted) -> Outcome {
    let after = program.random.usize(..AFTER);
    program.run(after);
    if program.reported.is_none() {
        program.finish();
    }
    if let Some(reported) = program.reported {
        program.check_contents();
        let is_late = program.damage.is_some();
        let message = format!("{:?} {}", note::take(), program.damage.take().unwrap_or_default());
        return Outcome::with_message(
            Verdict::Caught { after: reported - planted.at, is_late },
            message,
        );
    }
    at_end(program, planted.harm.as_ref())
}
