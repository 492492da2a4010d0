//! `valgrind`: the core's tests, the oracle's and the examples under memcheck.
//!
//! Memcheck only knows that the arenas of these heaps are memory. It finds reads of uninitialised memory there, and
//! accesses outside of the arenas.

use std::path::Path;

use anyhow::{Context, Result};

use super::suite::{self, Program};
use crate::tools;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Scripts that the oracle tries for each setup.
    #[arg(long, default_value_t = 1)]
    scripts: u32,
}

/// The libraries whose unit tests and others are run.
const TESTED: [&str; 2] = ["talloc-core", suite::FUZZ];

/// A test of a heap whose memory goes back to the system. It makes the system calls that no example makes.
const PURGES: [&str; 4] = ["-p", "talloc-global", "--test", "statistics"];
const PURGES_ONLY: [&str; 1] = ["what_goes_back_is_counted"];

/// The library whose examples are run, with what its example `index` is to look at.
const WITH_EXAMPLES: &str = "talloc-global";
const INDEX: [&str; 3] = ["--threads", "2", "crates"];

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let valgrind = tools::require("valgrind", "install the system's package `valgrind`")?;

    let packages = suite::packages(workspace)?;
    let tested: Vec<_> =
        packages.into_iter().filter(|package| TESTED.contains(&&*package.name)).collect();
    let tests = workspace.cargo(["test", "--no-run"]).args(suite::select(&tested, &[])?);
    for test in suite::programs(tests)? {
        memcheck(workspace, &valgrind, &test, &[], args.scripts)?;
    }

    for test in suite::programs(workspace.cargo(["test", "--no-run"]).args(PURGES))? {
        memcheck(workspace, &valgrind, &test, &PURGES_ONLY, args.scripts)?;
    }

    let examples = workspace.cargo(["build", "--examples", "-p", WITH_EXAMPLES]);
    for example in suite::programs(examples)? {
        let arguments = if example.name.starts_with("index") { &INDEX[..] } else { &[] };
        memcheck(workspace, &valgrind, &example, arguments, args.scripts)?;
    }
    Ok(())
}

fn memcheck(
    workspace: &Workspace,
    valgrind: &Path,
    program: &Program,
    arguments: &[&str],
    scripts: u32,
) -> Result<()> {
    eprintln!("\n== {}", program.name);
    workspace
        .program(valgrind)
        // Threads that spin would wait long for one that is not their turn.
        .args(["--quiet", "--error-exitcode=9", "--fair-sched=try"])
        .args([&program.path])
        .args(arguments)
        .env(suite::SCRIPTS, scripts.to_string())
        .run()
        .with_context(|| format!("{} under valgrind", program.name))
}
