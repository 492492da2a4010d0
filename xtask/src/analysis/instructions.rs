//! `instructions`: the instructions of operations, compared with a budget.

mod budget;

use anyhow::{Context, Result, ensure};

use crate::tools;
use crate::workspace::Workspace;
use budget::{Line, Verdict};

#[derive(clap::Args)]
pub struct Args {
    /// Make the measured counts the new budget.
    #[arg(long)]
    bless: bool,
}

/// The package of the program that is measured.
const PROGRAM: &str = "talloc-count";

/// The file of the budget.
const BUDGET: &str = "benches/budget.csv";

/// Compares with the budget.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &Args { bless: false })
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    tools::require("valgrind", "install the system's package `valgrind`")?;
    workspace.cargo(["build", "--release", "-p", PROGRAM]).run()?;
    let program = workspace.target().join("release").join(PROGRAM);
    let printed = workspace.program(program.as_std_path()).read()?;
    let measured = budget::parse(printed.as_bytes()).context("what the program printed")?;

    println!("{}", measured[0].compiler);
    let file = workspace.root().join(BUDGET);
    if args.bless {
        print(&measured, &measured);
        return budget::write(file.as_std_path(), &measured);
    }
    compare(&measured, &budget::read(file.as_std_path())?)
}

/// Fails if a count is not within the budget, unless that is another compiler's.
fn compare(measured: &[Line], budget: &[Line]) -> Result<()> {
    let other = budget.iter().find(|line| line.compiler != measured[0].compiler);
    if let Some(other) = other {
        println!(
            "warning: the budget is that of {}: counts may differ, and do not fail",
            other.compiler
        );
    }
    let failed = print(measured, budget);
    ensure!(
        measured.len() == budget.len(),
        "the budget has {} lines, but {} are measured",
        budget.len(),
        measured.len()
    );
    ensure!(
        failed == 0 || other.is_some(),
        "{failed} of {} counts are not within the budget",
        measured.len()
    );
    Ok(())
}

/// Prints the counts next to the budget. Returns how many exceed it or have none.
fn print(measured: &[Line], budget: &[Line]) -> usize {
    println!("{:14}{:14}{:>12}{:>10}", "pair", "heap", "instructions", "budget");
    let mut failed = 0;
    for line in measured {
        let (budget, verdict) = line.compare(budget);
        let budget = budget.map_or_else(|| "-".to_owned(), |budget| format!("{budget:.2}"));
        let note = match verdict {
            Verdict::Kept => "",
            Verdict::Exceeded => "  exceeded",
            Verdict::TooHigh => "  better: lower the budget, by --bless",
            Verdict::Unknown => "  no budget: set one, by --bless",
        };
        failed += usize::from(matches!(verdict, Verdict::Exceeded | Verdict::Unknown));
        let (workload, heap) = (&line.workload, &line.heap);
        println!("{workload:14}{heap:14}{:>12.2}{budget:>10}{note}", line.instructions);
    }
    failed
}
