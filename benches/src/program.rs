//! A real program on any heap: the `index` example, in a separate process for each heap.
//!
//! An environment variable names the heap of this process. Without it, the heap is the C library's.

#[path = "../../crates/talloc-global/examples/index/words.rs"]
#[allow(dead_code, reason = "the example prints more")]
mod words;

use anyhow::{Context, Result, bail};
use clap::Args;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    ffi::CStr,
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};
use talloc_benches::{
    hosted::child::VARIABLE,
    report::{Csv, Table},
    timing::median,
};
use talloc_global::{SystemTalloc, SystemTallock};
use talloc_sync::lock::Backoff;

/// The heaps in the order of the table's columns.
const HEAPS: &[&str] = &[
    "threaded",
    "talloc",
    "talc5",
    "system",
    "mimalloc",
    "jemalloc",
    #[cfg(feature = "snmalloc")]
    "snmalloc",
];

#[derive(Args)]
pub struct ProgramArgs {
    /// Files and folders whose words to count; by default, the documentation of the standard library.
    paths: Vec<PathBuf>,
    /// Numbers of threads.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
    threads: Vec<usize>,
    /// Only these heaps, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    heaps: Vec<String>,
    /// How often each heap runs; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Run the program in this process.
    #[arg(long, hide = true)]
    here: bool,
}

/// Runs the program with each heap, in interleaved rounds, prints a table, and writes every round to
/// `results/threads-index.csv`.
pub fn run(args: &ProgramArgs) -> Result<()> {
    if args.here {
        return index(args);
    }
    let heaps: Vec<_> = HEAPS
        .iter()
        .filter(|heap| args.heaps.is_empty() || args.heaps.iter().any(|name| name == *heap))
        .copied()
        .collect();
    if let Some(name) = args.heaps.iter().find(|name| !heaps.contains(&name.as_str())) {
        bail!("no heap for programs is called {name}: there are {}", HEAPS.join(", "));
    }
    let paths = if args.paths.is_empty() { vec![documentation()?] } else { args.paths.clone() };
    let mut table = Table::new("Seconds", heaps.clone(), 2);
    let mut csv = Csv::create("threads-index", &["threads", "heap", "round", "seconds"])?;
    for &threads in &args.threads {
        let mut times = vec![Vec::new(); heaps.len()];
        for round in 0..args.rounds {
            for (heap, times) in heaps.iter().zip(&mut times) {
                let seconds = child(heap, threads, &paths)?;
                let [threads, round] = [threads, round].map(|number| number.to_string());
                csv.push(&[&threads, heap, &round, &seconds.to_string()])?;
                times.push(seconds);
            }
        }
        table.push(&format!("index x{threads}"), times.iter().map(|times| median(times)).collect());
    }
    println!("{}", table.markdown());
    csv.finish()
}

/// Runs the program on a heap. Returns its time in seconds.
fn child(heap: &str, threads: usize, paths: &[PathBuf]) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args(["program", "--here", &format!("--threads={threads}"), "--"])
        .args(paths)
        .env(VARIABLE.to_str()?, heap)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("{heap}: {}", output.status);
    }
    let seconds = String::from_utf8(output.stdout)?;
    seconds.trim().parse().with_context(|| format!("{heap}: {seconds}"))
}

/// The program.
fn index(args: &ProgramArgs) -> Result<()> {
    let threads = args.threads.first().copied().and_then(NonZero::new).context("no threads")?;
    let files = crate::files::list(&args.paths)?;
    let begin = Instant::now();
    let index = words::index(&files, threads)?;
    anyhow::ensure!(index.total() > 0, "there are no words");
    drop(index);
    println!("{}", begin.elapsed().as_secs_f64());
    Ok(())
}

/// The documentation that comes with the compiler.
fn documentation() -> Result<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    let path = Path::new(String::from_utf8(output.stdout)?.trim()).join("share/doc/rust/html/std");
    anyhow::ensure!(path.is_dir(), "{} is not there: name files to read", path.display());
    Ok(path)
}

static THREADED: SystemTalloc = SystemTalloc::new();
static TALLOC: SystemTallock = SystemTallock::new();

/// The memory of heaps without a source. Unused pages of it are not resident.
const ARENA: usize = 1 << 30;
static mut MEMORY: [u8; ARENA] = [0; ARENA];
static TALC: talc5::TalcLock<Backoff, talc5::source::Claim> =
    // SAFETY: Nothing else uses the array.
    talc5::TalcLock::new(unsafe { talc5::source::Claim::array(&raw mut MEMORY) });

/// The heap that the environment names.
struct Switch(AtomicUsize);

#[global_allocator]
static SWITCH: Switch = Switch(AtomicUsize::new(UNKNOWN));

const UNKNOWN: usize = usize::MAX;

/// Evaluates an expression with the chosen heap.
macro_rules! with_heap {
    ($heap:ident => $do:expr) => {
        match SWITCH.choice() {
            0 => {
                let $heap = &THREADED;
                $do
            }
            1 => {
                let $heap = &TALLOC;
                $do
            }
            2 => {
                let $heap = &TALC;
                $do
            }
            4 => {
                let $heap = &mimalloc::MiMalloc;
                $do
            }
            5 => {
                let $heap = &tikv_jemallocator::Jemalloc;
                $do
            }
            #[cfg(feature = "snmalloc")]
            6 => {
                let $heap = &snmalloc_rs::SnMalloc;
                $do
            }
            _ => {
                let $heap = &System;
                $do
            }
        }
    };
}

impl Switch {
    #[inline]
    fn choice(&self) -> usize {
        match self.0.load(Relaxed) {
            UNKNOWN => self.choose(),
            choice => choice,
        }
    }

    /// Looks up the heap. This runs before the first allocation, so it cannot use the standard library, which allocates.
    #[cold]
    fn choose(&self) -> usize {
        // SAFETY: The name is a string, and nobody changes the environment before the first allocation.
        let value = unsafe { libc::getenv(VARIABLE.as_ptr()) };
        let name = if value.is_null() {
            c"system"
        } else {
            // SAFETY: It is a string of the environment.
            unsafe { CStr::from_ptr(value) }
        };
        let choice = HEAPS.iter().position(|heap| heap.as_bytes() == name.to_bytes());
        let choice = choice.unwrap_or(HEAPS.len());
        self.0.store(choice, Relaxed);
        choice
    }
}

// SAFETY: All calls go to one of the allocators, and always to the same one.
unsafe impl GlobalAlloc for Switch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The contract of the inner allocator's method is the same.
        with_heap!(heap => unsafe { heap.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The contract of the inner allocator's method is the same.
        with_heap!(heap => unsafe { heap.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: The contract of the inner allocator's method is the same.
        with_heap!(heap => unsafe { heap.dealloc(block, layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The contract of the inner allocator's method is the same.
        with_heap!(heap => unsafe { heap.realloc(block, layout, new_size) })
    }
}
