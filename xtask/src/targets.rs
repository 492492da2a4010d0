//! `targets`: runs the libraries on other machines, in emulators.
//!
//! A target either runs the libraries' tests on another architecture with an operating system
//! ([`hosted`]), or runs a program on a machine without one ([`exercise`]), or builds the libraries
//! for cores that lack something ([`build`]). [`table`] lists them; `exercise/README.md` says how to
//! add one.

mod build;
pub mod compiler;
mod exercise;
mod hosted;
pub mod linker;
mod table;

use std::time::Instant;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;

use crate::ci::report::{Outcome, Report};
use crate::workspace::Workspace;
pub use table::INSTALL;
use table::{Kind, TARGETS, Target};

#[derive(clap::Args)]
#[command(after_help = "\
The compiler is the one that the environment variable TALLOC_TARGETS_RUSTC names, or else the first \
`rustc` in PATH that has the target, or with which it can be built. The cargo is TALLOC_TARGETS_CARGO, \
or the one beside the compiler.")]
pub struct Args {
    /// Run these, not all.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    names: Vec<String>,
    /// List what there is, and what it needs, instead of running it.
    #[arg(long)]
    list: bool,
}

/// What CI runs: a microcontroller, one without compare-and-swap, and WebAssembly.
const CHECKED: [&str; 3] = ["thumbv6m", "cortex-m3", "wasm32"];

/// Runs what CI does.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &Args { names: CHECKED.map(str::to_owned).to_vec(), list: false })
}

fn names() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|target| target.name)
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let asked_for =
        |target: &&Target| args.names.is_empty() || args.names.iter().any(|n| n == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(asked_for).collect();
    if args.list {
        for target in targets {
            println!("{:12}{}: {}", target.name, target.triple, target.about);
            println!("{:12}needs: {}", "", target.needs());
        }
        return Ok(());
    }
    compiler::check_variables()?;
    let (report, result) = run_all(&targets, |target| run_one(workspace, target));
    println!("\n{report}");
    result
}

/// Runs every target, whatever becomes of the others.
fn run_all(targets: &[&Target], run: impl Fn(&Target) -> Result<String>) -> (Report, Result<()>) {
    let mut report = Report::of("target");
    let mut failed = Vec::new();
    for target in targets {
        let name = target.name;
        eprintln!("\n== {name}: {}", target.about);
        let start = Instant::now();
        let result = run(target);
        let time = start.elapsed();
        match result {
            Ok(note) => {
                println!("{name}: passed: {note}");
                report.add(name, Outcome::Passed(time), note);
            }
            Err(error) => {
                println!("{name}: FAILED: {error:#}");
                report.add(name, Outcome::Failed(time), first_line(&format!("{error:#}")));
                failed.push(name);
            }
        }
    }
    let result = match failed[..] {
        [] => Ok(()),
        _ => {
            let names = failed.join(" ");
            Err(anyhow::anyhow!("failed: {names}; to run again: `cargo xtask targets {names}`"))
        }
    };
    (report, result)
}

/// Runs one target. Returns what has been done, in a few words.
fn run_one(workspace: &Workspace, target: &Target) -> Result<String> {
    match &target.kind {
        Kind::Tests(system) => hosted::run(workspace, target.triple, system),
        Kind::Exercise(machine) => exercise::run(workspace, target.triple, machine),
        Kind::Build => build::run(workspace, target.triple),
    }
}

/// For the table, which a long message would stretch.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The number before `word` in `text`, as in "5 passed".
fn number_before(text: &str, word: &str) -> Result<usize> {
    let before = text.split_once(word).map(|(before, _)| before);
    let number = before.and_then(|before| before.split_whitespace().next_back());
    match number.map(str::parse) {
        Some(Ok(number)) => Ok(number),
        _ => bail!("there is no number of \"{word}\" in: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_fails_keeps_none_from_running() {
        let targets: Vec<&Target> = TARGETS[..3].iter().collect();
        let (report, result) = run_all(&targets, |target| match target.name == TARGETS[1].name {
            true => bail!("the reason\nand more"),
            false => Ok("done".to_owned()),
        });
        let outcomes: Vec<_> = report.outcomes().collect();
        assert!(matches!(
            outcomes[..],
            [Outcome::Passed(_), Outcome::Failed(_), Outcome::Passed(_)]
        ));
        let error = result.unwrap_err().to_string();
        assert!(error.contains(&format!("`cargo xtask targets {}`", TARGETS[1].name)), "{error}");
        let table = report.to_string();
        assert!(table.contains("the reason") && !table.contains("and more"), "{table}");
    }

    #[test]
    fn targets_that_pass_are_a_success() {
        let targets: Vec<&Target> = TARGETS.iter().collect();
        assert!(run_all(&targets, |_| Ok(String::new())).1.is_ok());
    }

    #[test]
    fn a_number_is_found_or_missed() {
        assert_eq!(number_before("test result: ok. 39 passed; 0 failed", " passed").unwrap(), 39);
        assert!(number_before("ok. many passed", " passed").is_err());
        assert!(number_before("", " passed").is_err());
    }
}
