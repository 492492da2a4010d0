//! An inverted index of the text files it is given, built by several threads, with every
//! allocation of the program from the talloc heap.
//!
//! ```sh
//! cargo run --release --example index -- PATHS...
//! ```
//!
//! Prints the most frequent words, then how the heap did, and checks the whole heap: the program
//! fails if anything is wrong with it.

mod files;
mod heap;
mod report;
mod words;

use std::error::Error;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use clap::Parser;

use heap::Snapshot;

/// Counts the words of text files, and in how many of the files they are.
#[derive(Parser)]
struct Args {
    /// Files, and folders with all that is in them. Binary files are left out.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Threads that read files; as many as there are cores unless told otherwise.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// How many words to print.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

fn main() -> ExitCode {
    let result = run(&Args::parse());
    // Whatever happened, the heap must be in order.
    let verified = heap::verify();
    if let Err(violation) = &verified {
        eprintln!("index: the heap is broken: {violation} ({violation:?})");
    }
    if let Err(error) = &result {
        eprintln!("index: {error}");
    }
    if verified.is_ok() && result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let threads = match args.threads {
        Some(threads) => threads,
        None => thread::available_parallelism()?,
    };
    let files = files::list(&args.paths)?;
    let index = words::index(&files, threads)?;
    let time = start.elapsed();
    let full = Snapshot::take()?;

    let mut out = io::stdout().lock();
    report::words(&mut out, &index, args.top)?;
    report::input(&mut out, &index, threads, time)?;
    report::heap(&mut out, &full)?;

    drop((index, files));
    report::exit(&mut out, &Snapshot::take()?)?;
    Ok(out.flush()?)
}
