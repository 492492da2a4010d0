//! Builds an inverted index of text files with several threads. All allocations are from the talloc heap.
//!
//! ```sh
//! cargo run --release --example index -- PATHS...
//! ```
//!
//! Prints the most frequent words and the heap's report, and verifies the heap. Exits with an error if the heap is
//! corrupted.

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

/// Counts the words of text files, and the files that contain each word.
#[derive(Parser)]
struct Args {
    /// Files and folders to index. Binary files are skipped.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Number of threads that read files. The default is the number of cores.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Number of words to print.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

fn main() -> ExitCode {
    let result = run(&Args::parse());
    // Verifies the heap even after an error.
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
