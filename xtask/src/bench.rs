//! `bench`: runs the benchmark program.

use std::ffi::OsString;

use anyhow::Result;

use crate::workspace::Workspace;

#[derive(clap::Args)]
// `--help` is an argument like any other: it shows the benchmarks' own help.
#[command(disable_help_flag = true)]
pub struct Args {
    /// Passed on as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let program = ["run", "--release", "-p", "talloc-benches", "--"];
    workspace.cargo(program).args(&args.arguments).run()
}
