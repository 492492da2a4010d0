//! `bench`: runs the benchmark program.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::workspace::{BENCHES, Workspace};

#[derive(clap::Args)]
// `--help` is an argument like any other: it shows the benchmarks' own help.
#[command(disable_help_flag = true)]
pub struct Args {
    /// Arguments of the benchmark program.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let program = ["run", "--release", "-p", BENCHES];
    let snmalloc = if has_cpp_compiler() { &["--features", "snmalloc"][..] } else { &[] };
    workspace.cargo(program).args(snmalloc).args(["--"]).args(&args.arguments).run()
}

/// Whether there is a C++ compiler, which one of the peers needs.
fn has_cpp_compiler() -> bool {
    let version =
        Command::new("c++").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}
