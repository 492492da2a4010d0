//! `examples`: runs the examples, each on its machines, and checks the output.
//!
//! An example must end with the expected status, and print the lines in [`table`], in that order.

mod place;
mod table;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use clap::builder::PossibleValuesParser;

use crate::cmd::Ran;
use crate::jobs::{self, Job};
use crate::targets::compiler;
use crate::workspace::Workspace;
use table::{EXAMPLES, Example};

#[derive(clap::Args)]
#[command(after_help = "\
The compiler is chosen as by `cargo xtask targets`: the variables TALLOC_TARGETS_RUSTC and \
TALLOC_TARGETS_CARGO name another.")]
pub struct Args {
    /// Run only these.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    names: Vec<String>,
    /// List the examples and the programs that they need, instead of running them.
    #[arg(long)]
    list: bool,
}

fn names() -> BTreeSet<&'static str> {
    EXAMPLES.iter().map(|example| example.name).collect()
}

/// Runs the examples that `cargo test` does not run.
pub fn check(workspace: &Workspace) -> Result<()> {
    let names = ["firmware", "firmware-trace", "kernel"].map(str::to_owned).to_vec();
    run(workspace, &Args { names, list: false })
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let asked_for = |example: &&Example| {
        args.names.is_empty() || args.names.iter().any(|name| name == example.name)
    };
    let examples: Vec<&'static Example> = EXAMPLES.iter().filter(asked_for).collect();
    if args.list {
        for Example { name, place, .. } in examples {
            println!("{name:14}on {}; needs: {}", place.about(), place.needs());
        }
        return Ok(());
    }
    compiler::check_variables()?;
    let job = |example: &&'static Example| Job {
        name: example.name,
        about: format!("on {}", example.place.about()),
        run: Box::new(|| run_one(workspace, example)),
    };
    let (report, result) = jobs::run_all("example", "examples", examples.iter().map(job));
    println!("\n{report}");
    result
}

fn run_one(workspace: &Workspace, example: &Example) -> Result<String> {
    let ran = example.place.run(workspace, example.program)?;
    let last = check_output(&ran, example.place.success(), example.says)?;
    Ok(format!("on {}: {last}", example.place.about()))
}

/// Checks the status and the output of a program. Returns the last of the expected lines.
fn check_output<'a>(ran: &'a Ran, success: i32, says: &[&str]) -> Result<&'a str> {
    let mut lines = ran.text.lines();
    let mut last = "";
    for expected in says {
        last = lines.find(|line| line.contains(expected)).with_context(|| {
            format!("it does not say \"{expected}\", or not there; its status is {:?}", ran.code)
        })?;
    }
    ensure!(ran.code == Some(success), "it has ended with {:?}, not with {success}", ran.code);
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(code: i32, text: &str) -> Ran {
        Ran { code: Some(code), text: text.to_owned() }
    }

    #[test]
    fn lines_must_be_there_in_order_and_the_status_right() {
        let text = "a: 1\nb: 2\nb: 3\n";
        assert_eq!(check_output(&ran(0, text), 0, &["a: ", "b: ", "3"]).unwrap(), "b: 3");
        assert!(check_output(&ran(0, text), 0, &["b: ", "a: "]).is_err());
        assert!(check_output(&ran(0, text), 0, &["a: ", "a: "]).is_err());
        assert!(check_output(&ran(1, text), 0, &["a: "]).is_err());
        assert!(check_output(&ran(33, text), 33, &["a: "]).is_ok());
        assert!(check_output(&Ran { code: None, text: text.to_owned() }, 0, &["a: "]).is_err());
    }

    #[test]
    fn every_example_there_is_is_in_the_table() {
        let workspace = Workspace::load().unwrap();
        let members = workspace.members();
        let global = members.iter().find(|member| member.name == "talloc-global").unwrap();
        let ordinary = global.targets.iter().filter(|target| target.is_example());
        let ordinary = ordinary.map(|target| target.name.as_str());
        let packages =
            members.iter().filter_map(|member| member.name.strip_prefix("talloc-example-"));
        let programs: BTreeSet<&str> = EXAMPLES.iter().map(|example| example.program).collect();
        assert_eq!(programs, ordinary.chain(packages).collect());
    }

    #[test]
    fn every_example_says_something() {
        assert!(EXAMPLES.iter().all(|example| !example.says.is_empty()));
        assert!(EXAMPLES.iter().all(|example| !example.place.needs().is_empty()));
    }
}
