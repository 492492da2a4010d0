//! `faults`: plants memory errors of every class in random programs, and prints their outcomes on each level of heap.
//!
//! The heaps are built without assertions, as in a release. With `--programs`, it runs C programs with faults, and
//! libraries that replace `malloc`. With `--folder`, it runs programs that have been built before.

mod folder;
mod libraries;
mod programs;
mod table;

use anyhow::Result;
use cargo_metadata::camino::Utf8PathBuf;

use crate::suite::parse_library;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Run C programs with faults instead, with talloc's libraries and the C library's `malloc`.
    #[arg(long, conflicts_with_all = ["each", "seed", "level", "class", "show"])]
    programs: bool,
    /// Run the programs of a folder instead, such as those of mimalloc-bench's `security`. They print `NOT_CAUGHT` if
    /// nothing stops them.
    #[arg(long, conflicts_with_all = ["programs", "each", "seed", "level", "class", "show"])]
    folder: Option<Utf8PathBuf>,
    /// Another library for the C programs, as `NAME=PATH`.
    #[arg(long, value_name = "NAME=PATH", value_parser = parse_library)]
    library: Vec<(String, Utf8PathBuf)>,
    /// How many faults of each class to plant on each level.
    #[arg(long, default_value_t = 10_000)]
    each: usize,
    /// The seed of the first program.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these levels of heap.
    #[arg(long)]
    level: Vec<String>,
    /// Only these classes of faults.
    #[arg(long)]
    class: Vec<String>,
    /// How many of the faults that did damage to describe, for each class and level.
    #[arg(long, default_value_t = 0)]
    show: usize,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.programs {
        return programs::run(workspace, &libraries::build(workspace, &args.library)?);
    }
    if let Some(folder) = &args.folder {
        return folder::run(folder, &libraries::build(workspace, &args.library)?);
    }
    let numbers = [("--each", args.each.to_string()), ("--seed", args.seed.to_string())];
    let show = [("--show", args.show.to_string())];
    let levels = args.level.iter().map(|level| ("--level", level.clone()));
    let classes = args.class.iter().map(|class| ("--class", class.clone()));
    let mut command = workspace.cargo([
        "run",
        "--profile",
        "faults",
        "-p",
        "talloc-fuzz",
        "--bin",
        "faults",
        "--",
    ]);
    for (name, value) in numbers.into_iter().chain(show).chain(levels).chain(classes) {
        command = command.args([name.to_owned(), value]);
    }
    command.run()
}
