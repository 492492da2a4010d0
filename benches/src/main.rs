//! The benchmarks on the command line.

mod cli;
mod commands;
#[path = "../../crates/talloc-global/examples/index/files.rs"]
mod files;
mod program;

use clap::Parser;
use cli::{Cli, Command};
use talloc_benches::{readme, summary, threads};

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Traces(args) => commands::traces(&args),
        Command::Random(args) => commands::random(&args),
        Command::Memory(args) => commands::memory(&args),
        Command::Exhaustion(args) => commands::exhaustion(&args),
        Command::Worst(args) => commands::worst(&args),
        Command::Steps(args) => commands::steps(&args),
        Command::Arenas(args) => commands::arenas(&args),
        Command::Many(args) => commands::many(&args),
        Command::Request(args) => commands::request(&args),
        Command::Latency(args) => commands::latency(&args),
        Command::Slices(args) => commands::slices(&args),
        Command::Report => summary::save().and_then(|()| readme::fill()),
        Command::Count(args) => commands::count(&args),
        Command::Levels(args) => commands::levels(&args),
        Command::Script(args) => commands::script(&args),
        Command::Hosted(args) => commands::hosted(&args),
        Command::GiveBack(args) => commands::give_back(&args),
        Command::Threads(args) => threads::hosted::run(&args),
        Command::Shared(args) => threads::shared::run(&args),
        Command::Child(child) => commands::child(&child),
        Command::Locks(args) => threads::locks::run(&args),
        Command::Program(args) => program::run(&args),
    }
}
