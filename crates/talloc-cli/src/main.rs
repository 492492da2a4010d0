//! `talloc`: reads, replays, converts and draws allocation traces, and finds the smallest arena for a program.

mod classes;
mod cli;
mod convert;
mod fit;
mod heaps;
mod input;
mod leaks;
mod map;
mod output;
mod peak;
mod probe;
mod profile;
mod progress;
mod region;
mod replay;
mod stat;
mod steps;
mod table;

use anyhow::Result;
use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough, such as `head`, is no error.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("talloc: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    match &cli.command {
        Command::Stat(args) => stat::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Fit(args) => fit::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Leaks(args) => leaks::run(args),
        Command::Map(args) => map::run(args),
        Command::ReplayOne(args) => replay::run_one(args),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
