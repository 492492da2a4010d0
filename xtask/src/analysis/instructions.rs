//! `instructions`: what operations cost, in instructions, against a budget.

use anyhow::Result;

use crate::tools;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Make what is measured the budget.
    #[arg(long)]
    bless: bool,
}

/// Compares with the budget.
pub fn check(workspace: &Workspace) -> Result<()> {
    run(workspace, &Args { bless: false })
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    tools::require("valgrind", "install the system's package `valgrind`")?;
    workspace
        .cargo(["run", "--release", "-p", "talloc-benches", "--", "budget"])
        .args(args.bless.then_some("--bless"))
        .run()
}
