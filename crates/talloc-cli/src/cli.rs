//! The command line.

use crate::heaps::{self, Entry};
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Reads, replays, converts and draws allocation traces, and finds the smallest arena for a program.
///
/// Traces are recorded by `talloc_trace::Traced`, on any target; they may be compressed with zstd.
#[derive(Parser)]
#[command(name = "talloc", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show sizes, lifetimes, peaks, and call sites.
    Stat(Stat),
    /// Replay a trace on heaps, and compare their time and memory.
    Replay(Replay),
    /// Find the smallest arena in which each heap can serve the trace: how much RAM do I need?
    Fit(Fit),
    /// Convert a trace for other tools.
    Convert(Convert),
    /// Show what is still allocated at the end.
    Leaks(Leaks),
    /// Draw the heap of a trace, at one time as SVG or over time as a page, or a snapshot of a heap as either.
    ///
    /// `talloc_global::inspect::write_snapshot` and `talloc_trace::snapshot::Writer` take snapshots, on any target.
    Map(Map),
    /// Replay a trace on one heap, and print the result as JSON.
    #[command(hide = true)]
    ReplayOne(ReplayOne),
}

/// How often a trace can be replayed.
const ROUNDS: RangeInclusive<i64> = 1..=1000;

/// The trace that a command reads.
#[derive(Args)]
pub struct Input {
    /// The trace; a pipe will do.
    pub trace: PathBuf,
    /// Accept a trace that ends anywhere, as of a program that was killed.
    #[arg(long)]
    pub partial: bool,
}

#[derive(Args)]
pub struct Stat {
    #[command(flatten)]
    pub input: Input,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// How many call sites to show.
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    pub sites: usize,
}

#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    pub input: Input,
    /// A heap; can be given several times. All by default.
    #[arg(long = "heap", value_name = "NAME", value_parser = heap)]
    pub heaps: Vec<&'static Entry>,
    /// How often the trace is replayed; the fastest counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(ROUNDS))]
    pub rounds: u32,
}

#[derive(Args)]
pub struct Fit {
    #[command(flatten)]
    pub input: Input,
    /// A heap; can be given several times. By default, all that work in a given arena.
    #[arg(long = "heap", value_name = "NAME", value_parser = heap)]
    pub heaps: Vec<&'static Entry>,
    /// Do not measure the worst latency.
    #[arg(long)]
    pub no_latency: bool,
}

#[derive(Args)]
pub struct Convert {
    #[command(flatten)]
    pub input: Input,
    /// The format.
    #[arg(long, value_enum)]
    pub to: Format,
    /// The file to write; the standard output by default.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For valgrind's `dh_view.html`.
    Dhat,
    /// For spreadsheets: an event per line.
    Csv,
    /// For `pprof`, Pyroscope and speedscope; gzipped.
    Pprof,
    /// For `heaptrack_print` and `heaptrack_gui`.
    Heaptrack,
}

#[derive(Args)]
pub struct Leaks {
    #[command(flatten)]
    pub input: Input,
    /// How many call sites to show.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub top: usize,
}

#[derive(Args)]
pub struct Map {
    #[command(flatten)]
    pub input: Input,
    /// The file to write: an SVG picture (`.svg`) or a page (`.html`).
    #[arg(short, long)]
    pub output: PathBuf,
    /// The heap whose addresses are drawn. By default, those in the trace if there are any, else `compact`.
    #[arg(long, value_name = "NAME", value_parser = heap)]
    pub heap: Option<&'static Entry>,
    /// The size of the arena in bytes. By default, a quarter more than the peak, or twice as much until it suffices.
    #[arg(long, value_name = "BYTES", requires = "heap", value_parser = arena())]
    pub arena: Option<usize>,
    /// In an SVG: after which event. By default, at the peak.
    #[arg(long, value_name = "EVENT")]
    pub at: Option<u64>,
    /// In a page: how many points of time.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub points: u32,
}

/// The trace is the standard input.
#[derive(Args)]
pub struct ReplayOne {
    #[arg(long)]
    pub partial: bool,
    #[arg(long, value_parser = heap)]
    pub heap: &'static Entry,
    #[arg(long, value_parser = clap::value_parser!(u32).range(ROUNDS))]
    pub rounds: u32,
}

/// An arena is no larger than what a machine addresses.
fn arena() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=talloc_trace::MAX_OBJECT_SIZE)
}

fn heap(name: &str) -> Result<&'static Entry, String> {
    let names = || heaps::ALL.iter().map(|heap| heap.name).collect::<Vec<_>>().join(", ");
    heaps::find(name).ok_or_else(|| format!("there are: {}", names()))
}
