//! Instructions and mispredicted branches per operation, from valgrind's simulation. Unlike times, these counts are the
//! same on every run and on a busy machine.

use crate::null::NULL;
use anyhow::{Context, Result, ensure};
use std::{env, path::PathBuf, process::Command, thread};

/// The cost of an operation on the simulated machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Instructions.
    pub instructions: f64,
    /// Mispredicted branches, conditional and indirect.
    pub mispredictions: f64,
}

/// The number of operations before counting starts. They build up the live blocks.
const FROM: u64 = 100_000;
const TO: u64 = 300_000;

/// A program that has a command `script`, which runs the start of a workload on a heap.
pub struct Program(PathBuf);

impl Program {
    /// Returns the running program.
    ///
    /// # Errors
    /// If the path of the program is unknown.
    pub fn current() -> Result<Self> {
        Ok(Self(env::current_exe()?))
    }

    /// Counts the cost of an operation on the heap, including the workload's own cost. On the heap [`NULL`], counts only
    /// the workload's own cost.
    ///
    /// Runs the program's `script` command under `valgrind --tool=cachegrind --branch-sim=yes` twice.
    ///
    /// # Errors
    /// If valgrind is not installed or fails, or the workload is too short.
    pub fn gross(&self, heap: &str, workload: &str) -> Result<Cost> {
        let run = |ops: u64| {
            self.run(&["script", "--heap", heap, "--workload", workload, "--ops", &ops.to_string()])
        };
        // Counts do not depend on other processes, so both runs can be concurrent.
        let (from, to) = thread::scope(|scope| {
            let from = scope.spawn(|| run(FROM));
            let to = run(TO);
            (from.join().expect("the thread does not panic"), to)
        });
        let (from, to) = (from?, to?);
        let per_op = |from: u64, to: u64| (to as f64 - from as f64) / (TO - FROM) as f64;
        Ok(Cost {
            instructions: per_op(from.instructions, to.instructions),
            mispredictions: per_op(from.mispredictions, to.mispredictions),
        })
    }

    /// Counts the cost of an operation on each heap, without the workload's own cost.
    ///
    /// # Errors
    /// If valgrind is not installed or fails, or the workload is too short.
    pub fn net(&self, heaps: &[&str], workload: &str) -> Result<Vec<Cost>> {
        let own = self.gross(NULL, workload)?;
        let net = |heap: &&str| {
            let gross = self.gross(heap, workload)?;
            Ok(Cost {
                instructions: gross.instructions - own.instructions,
                mispredictions: gross.mispredictions - own.mispredictions,
            })
        };
        heaps.iter().map(net).collect()
    }

    /// Counts the instructions of the program with these arguments.
    ///
    /// # Errors
    /// If valgrind is not installed, or if the program fails.
    pub fn instructions(&self, arguments: &[&str]) -> Result<u64> {
        Ok(self.run(arguments)?.instructions)
    }

    /// Runs the program under valgrind.
    fn run(&self, arguments: &[&str]) -> Result<Counts> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--branch-sim=yes",
            "--cachegrind-out-file=/dev/null",
        ]);
        valgrind.arg(&self.0);
        valgrind.args(arguments);
        let output = valgrind.output().context("valgrind")?;
        let report = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{valgrind:?}: {report}");
        parse(&report)
    }
}

/// Valgrind's counts for a run.
#[derive(Debug, PartialEq)]
struct Counts {
    instructions: u64,
    mispredictions: u64,
}

/// Parses valgrind's summary.
fn parse(report: &str) -> Result<Counts> {
    let count = |label: &str| {
        let mut rest =
            report.lines().filter_map(|line| line.split_once("== ")?.1.strip_prefix(label));
        let number = rest.next().and_then(|rest| rest.split_whitespace().next());
        let number = number.with_context(|| format!("no {label:?} in {report}"))?;
        anyhow::Ok(number.replace(',', "").parse()?)
    };
    Ok(Counts { instructions: count("I   refs:")?, mispredictions: count("Mispredicts:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read() {
        let report = "==7== I   refs:      286,837,201\n\
            ==7== Branches:       41,244,598  (40,141,671 cond + 1,102,927 ind)\n\
            ==7== Mispredicts:     3,878,890  ( 3,329,965 cond +   548,925 ind)\n\
            ==7== Mispred rate:          9.4%\n";
        assert_eq!(
            parse(report).unwrap(),
            Counts { instructions: 286_837_201, mispredictions: 3_878_890 }
        );
        assert!(parse("==7== I   refs:      286,837,201\n").is_err());
    }
}
