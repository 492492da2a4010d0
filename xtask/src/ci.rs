//! `ci`: the checks a change must pass, one after another until one fails.

mod combinations;
mod layers;
mod lint;
mod no_std;
mod plain;
pub mod report;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;

use crate::analysis::{instructions, loom, sanitize};
use crate::examples;
use crate::targets;
use crate::viewers;
use crate::walkthroughs;
use crate::workspace::Workspace;
use report::{Outcome, Report};

#[derive(clap::Args)]
pub struct Args {
    /// Run only this step; can be given several times.
    #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(names()))]
    only: Vec<String>,
    /// List the steps instead of running them.
    #[arg(long)]
    list: bool,
}

/// One check.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

/// The steps in the order in which they run. Steps that fail often and fast come first.
const STEPS: [Step; 16] = [
    Step { name: "fmt", about: "the code is formatted", run: plain::fmt },
    Step {
        name: "layers",
        about: "a library uses only those below it, and so do its modules",
        run: layers::check,
    },
    Step {
        name: "clippy",
        about: "no warning in any target, benches included",
        run: plain::clippy,
    },
    Step {
        name: "features",
        about: "each library builds without stable features, with each, and with all",
        run: combinations::stable,
    },
    Step {
        name: "nightly",
        about: "... and so with the feature that needs an unstable compiler",
        run: combinations::nightly,
    },
    Step { name: "no-std", about: "no library links `std` or `alloc`", run: no_std::check },
    Step { name: "docs", about: "no warning in the libraries' documentation", run: plain::docs },
    Step {
        name: "test",
        about: "the tests that differ with all stable features pass",
        run: plain::test,
    },
    Step {
        name: "small",
        about: "the heap's tests pass when its code is made small",
        run: plain::small,
    },
    Step {
        name: "loom",
        about: "the models of the locks and the magazines hold",
        run: loom::check,
    },
    Step {
        name: "instructions",
        about: "operations cost what they may, counted by valgrind",
        run: instructions::check,
    },
    Step { name: "address", about: "the tests pass under AddressSanitizer", run: sanitize::check },
    Step {
        name: "targets",
        about: "a microcontroller and WebAssembly, emulated; no compare-and-swap, built",
        run: targets::check,
    },
    Step {
        name: "examples",
        about: "firmware and a kernel run in emulators",
        run: examples::check,
    },
    Step {
        name: "walkthroughs",
        about: "the commands of the walkthroughs print what these say",
        run: walkthroughs::check,
    },
    Step {
        name: "viewers",
        about: "pprof, heaptrack, dh_view and a browser find in our files what is in the trace",
        run: viewers::check,
    },
];

pub fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|step| step.name)
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.list {
        for step in &STEPS {
            println!("{:13}{}", step.name, step.about);
        }
        return Ok(());
    }
    let asked_for = |step: &&Step| args.only.is_empty() || args.only.iter().any(|o| o == step.name);
    let steps: Vec<&Step> = STEPS.iter().filter(asked_for).collect();

    let (report, result) = run_steps(workspace, &steps);
    println!("\n{report}");
    result
}

/// Runs `steps` up to the first that fails.
fn run_steps(workspace: &Workspace, steps: &[&Step]) -> (Report, Result<()>) {
    let mut report = Report::of("step");
    let mut result = Ok(());
    for step in steps {
        if result.is_err() {
            report.add(step.name, Outcome::NotRun, step.about);
            continue;
        }
        eprintln!("\n== {}: {}", step.name, step.about);
        let start = Instant::now();
        result = (step.run)(workspace).with_context(|| {
            let name = step.name;
            format!("step `{name}` failed; to run it again: `cargo xtask ci --only {name}`")
        });
        let time = start.elapsed();
        let outcome = if result.is_ok() { Outcome::Passed(time) } else { Outcome::Failed(time) };
        report.add(step.name, outcome, step.about);
    }
    (report, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSING: Step = Step { name: "passing", about: "passes", run: |_| Ok(()) };
    const FAILING: Step =
        Step { name: "failing", about: "fails", run: |_| Err(anyhow::anyhow!("the reason")) };

    #[test]
    fn the_first_failure_ends_the_run_and_names_the_step() {
        let workspace = Workspace::load().unwrap();
        let (report, result) = run_steps(&workspace, &[&PASSING, &FAILING, &PASSING]);

        let error = format!("{:#}", result.unwrap_err());
        assert!(error.contains("cargo xtask ci --only failing"), "{error}");
        assert!(error.contains("the reason"), "{error}");
        let outcomes: Vec<_> = report.outcomes().collect();
        assert!(matches!(outcomes[..], [Outcome::Passed(_), Outcome::Failed(_), Outcome::NotRun]));
    }

    #[test]
    fn steps_that_pass_are_a_success() {
        let workspace = Workspace::load().unwrap();
        let (report, result) = run_steps(&workspace, &[&PASSING, &PASSING]);
        assert!(result.is_ok());
        assert!(report.outcomes().all(|outcome| matches!(outcome, Outcome::Passed(_))));
    }
}
