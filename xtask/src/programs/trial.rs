//! Programs run with each allocator, measured and compared.

use std::fs::{self, File};
use std::iter::zip;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::allocator::{ALLOCATORS, COUNT};
use super::output::Output;
use super::table::Kind;
use crate::measured::launcher::Launcher;
use crate::measured::median;

/// The time limit of an executable.
const PATIENCE: Duration = Duration::from_secs(600);

/// A program and everything that a trial needs.
pub struct Trial<'a> {
    pub kind: &'a Kind,
    /// The executables, for each allocator.
    pub executables: [Vec<Utf8PathBuf>; COUNT],
    /// The folder in which the program runs.
    pub folder: &'a Utf8Path,
    /// The folders that the program searches, if it is a search.
    pub searched: &'a [Utf8PathBuf],
    /// The folder for temporary files.
    pub place: &'a Utf8Path,
}

/// The number of an executable, and its arguments.
type Run = (usize, &'static [&'static str]);

/// The results of a trial.
pub struct Tried {
    /// The number of bytes and tests that were the same in all runs.
    pub bytes: usize,
    pub tests: u64,
    /// The median of the seconds of a round, for each allocator.
    pub seconds: [f64; COUNT],
    /// The median of the peak size of the largest process in KiB, for each allocator.
    pub peaks: [f64; COUNT],
    /// The smallest peak size that can be measured.
    pub least: u64,
}

/// The result of one run of an executable, or of a round.
#[derive(Clone, Copy, Default)]
struct Taken {
    seconds: f64,
    peak: u64,
    least: u64,
}

impl Trial<'_> {
    /// Runs all, with one allocator after the other, in each round.
    ///
    /// # Errors
    ///
    /// If something fails, or does not print the same each time.
    pub fn run(&self, rounds: u32) -> Result<Tried> {
        let mut expected = Vec::new();
        let mut taken = [const { Vec::new() }; COUNT];
        for round in 1..=rounds {
            for (allocator, taken) in taken.iter_mut().enumerate() {
                let (sum, outputs) = self.all(allocator)?;
                let name = ALLOCATORS[allocator].feature;
                eprintln!("round {round}, {name}: {:.3} s, {} KiB", sum.seconds, sum.peak);
                taken.push(sum);
                if expected.is_empty() {
                    expected = outputs;
                    continue;
                }
                for (run, (expected, output)) in zip(self.runs(), zip(&expected, &outputs)) {
                    let which = || format!("{}, with {name}", self.describe(allocator, run));
                    expected.expect_same(output).with_context(which)?;
                }
            }
        }
        let of_each = |number: fn(&Taken) -> f64| {
            std::array::from_fn(|it| median(taken[it].iter().map(number).collect()))
        };
        Ok(Tried {
            bytes: expected.iter().map(Output::len).sum(),
            tests: expected.iter().filter_map(|output| output.tests).sum(),
            seconds: of_each(|taken| taken.seconds),
            peaks: of_each(|taken| taken.peak as f64),
            least: taken.iter().flatten().map(|taken| taken.least).max().unwrap_or_default(),
        })
    }

    /// Runs all with an allocator, once.
    fn all(&self, allocator: usize) -> Result<(Taken, Vec<Output>)> {
        let mut sum = Taken::default();
        let mut outputs = Vec::new();
        for run in self.runs() {
            let once = self.once(&self.executables[allocator][run.0], run.1);
            let (taken, output) = once.with_context(|| self.describe(allocator, run))?;
            sum.add(taken);
            outputs.push(output);
        }
        Ok((sum, outputs))
    }

    fn describe(&self, allocator: usize, (executable, arguments): Run) -> String {
        format!("{} {}", self.executables[allocator][executable], arguments.join(" "))
    }

    fn runs(&self) -> Vec<Run> {
        match self.kind {
            Kind::Tests(tests) => {
                (0..self.executables[0].len()).map(|it| (it, tests.arguments)).collect()
            }
            Kind::Searches { arguments, .. } => arguments.iter().map(|it| (0, *it)).collect(),
        }
    }

    fn once(&self, executable: &Utf8Path, arguments: &[&str]) -> Result<(Taken, Output)> {
        let [report, output, errors] = ["report", "output", "errors"].map(|it| self.place.join(it));
        let launcher = Launcher { report, patience: PATIENCE };
        let mut command = launcher.command(executable.as_str())?;
        command.args(arguments).args(self.searched).current_dir(self.folder);
        // To print the trace of a panic takes more time and memory than the tests.
        command.env("CARGO_MANIFEST_DIR", self.folder).env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null());
        command.stdout(File::create(&output)?).stderr(File::create(&errors)?);
        let launched = launcher.run(&mut command);
        let printed = fs::read(&output)?;
        let failed = || format!("{}{}", end(&printed), end(&fs::read(&errors).unwrap_or_default()));
        let launched = launched.with_context(failed)?;
        if launched.measured.status != 0 {
            bail!("it failed, with status {:#x}:\n{}", launched.measured.status, failed());
        }
        let output = match self.kind {
            Kind::Tests(_) => Output::of_tests(&printed)?,
            Kind::Searches { in_order, .. } => Output::of_search(printed, *in_order)?,
        };
        let (measured, least) = (launched.measured, launched.least);
        let seconds = measured.time.as_secs_f64();
        Ok((Taken { seconds, peak: measured.peak, least }, output))
    }
}

impl Taken {
    fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.peak = self.peak.max(other.peak);
        self.least = self.least.max(other.least);
    }
}

/// The last of what a program has printed.
fn end(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[text.len().saturating_sub(2000)..]).into_owned()
}
