//! `targets`: runs the libraries on other machines, in emulators.
//!
//! A target either runs the libraries' tests on another architecture with an operating system
//! ([`hosted`]), or runs a program on a machine without one ([`exercise`], [`texts`]), or builds
//! the libraries for cores that lack something ([`build`]). [`table`] lists them;
//! `exercise/README.md` says how to add one.

mod build;
pub mod compiler;
mod exercise;
mod hosted;
pub mod linker;
pub mod program;
pub mod qemu;
mod refused;
mod table;
mod tagging;
mod texts;
mod wine;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;

use crate::jobs::{self, Job};
use crate::workspace::Workspace;
pub use table::INSTALL;
use table::{Kind, TARGETS, Target};

#[derive(clap::Args)]
#[command(after_help = "\
The compiler is the one that the environment variable TALLOC_TARGETS_RUSTC names, or else the first \
`rustc` in PATH that has the target, or with which it can be built. The cargo is TALLOC_TARGETS_CARGO, \
or the one beside the compiler.")]
pub struct Args {
    /// Run only these.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    names: Vec<String>,
    /// List the targets and the programs that they need, instead of running them.
    #[arg(long)]
    list: bool,
}

/// The targets that CI runs: microcontrollers with and without compare-and-swap, WebAssembly, and Emscripten, for which
/// the crate must not compile.
const CHECKED: [&str; 4] = ["thumbv6m", "cortex-m3", "wasm32", "emscripten"];

/// Runs the targets of CI.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &Args { names: CHECKED.map(str::to_owned).to_vec(), list: false })
}

fn names() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|target| target.name)
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let asked_for =
        |target: &&Target| args.names.is_empty() || args.names.iter().any(|n| n == target.name);
    let targets: Vec<&'static Target> = TARGETS.iter().filter(asked_for).collect();
    if args.list {
        for target in targets {
            println!("{:12}{}: {}", target.name, target.triple, target.about);
            println!("{:12}needs: {}", "", target.needs());
        }
        return Ok(());
    }
    compiler::check_variables()?;
    let job = |target: &&'static Target| Job {
        name: target.name,
        about: target.about.to_owned(),
        run: Box::new(|| run_one(workspace, target)),
    };
    let (report, result) = jobs::run_all("target", "targets", targets.iter().map(job));
    println!("\n{report}");
    result
}

/// Runs one target. Returns a summary in a few words.
fn run_one(workspace: &Workspace, target: &Target) -> Result<String> {
    match &target.kind {
        Kind::Tests(system) => hosted::run(workspace, target.triple, system),
        Kind::Tagging(system) => tagging::run(workspace, target.triple, system),
        Kind::Exercise(machine) => exercise::run(workspace, target.triple, machine),
        Kind::Texts(board) => texts::run(workspace, target.triple, *board),
        Kind::Build => build::run(workspace, target.triple),
        Kind::Refused(message) => refused::run(workspace, target.triple, message),
    }
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
    fn a_number_is_found_or_missed() {
        assert_eq!(number_before("test result: ok. 39 passed; 0 failed", " passed").unwrap(), 39);
        assert!(number_before("ok. many passed", " passed").is_err());
        assert!(number_before("", " passed").is_err());
    }
}
