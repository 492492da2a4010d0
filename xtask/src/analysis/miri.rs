//! `miri`: the libraries' tests in an interpreter that finds undefined behaviour.

use anyhow::{Result, ensure};

use super::suite;
use crate::workspace::Workspace;

#[derive(clap::Args)]
#[command(after_help = "\
Pointers must keep their provenance strictly. Each seed is another order of the threads and another \
place for each allocation.")]
pub struct Args {
    /// How many seeds to run the tests with.
    #[arg(long, default_value_t = 16)]
    seeds: u32,
    /// Tree borrows instead of stacked borrows.
    #[arg(long)]
    tree_borrows: bool,
    /// Arguments of `cargo miri test`, for example `-p talloc-core --lib`; by default, all tests of the
    /// libraries.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Tests that ask the operating system for memory in ways that Miri does not know.
const SYSTEM: [&str; 9] = [
    "system",
    "limits",
    "limits_data",
    "limits_large",
    "large",
    "idle",
    "fault_ahead",
    "huge_pages",
    "huge_zeros",
];

/// The memory that the tests give to heaps is leaked.
const FLAGS: &str = "-Zmiri-strict-provenance -Zmiri-ignore-leaks";

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let miri = || workspace.cmd("cargo").args(["+nightly", "miri"]);
    let is_there = miri().args(["--version"]).read().is_ok();
    ensure!(is_there, "there is no Miri here; to get it: {HOW_TO_GET}");

    let excluded = [&SYSTEM[..], &[suite::EXAMPLES]].concat();
    let selected = if args.arguments.is_empty() {
        suite::select(&workspace.libraries()?, &excluded)?
    } else {
        args.arguments.clone()
    };
    let seeds = args.seeds;
    let mut flags = format!("{FLAGS} -Zmiri-many-seeds=0..{seeds}");
    if args.tree_borrows {
        flags += " -Zmiri-tree-borrows";
    }
    let target = workspace.scratch("miri");
    miri()
        .args(["test", "--target-dir", target.as_str()])
        .args(selected)
        .env("MIRIFLAGS", flags)
        .run()
}

const HOW_TO_GET: &str = "rustup +nightly component add miri rust-src";
