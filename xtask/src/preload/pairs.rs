//! The instructions that the C functions add to a call of the heap behind them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8Path;

use super::instructions::total;
use super::recipe::install;
use crate::tools;
use crate::workspace::{INTERFACE, Workspace};

/// The most instructions that finding a block's size and aligning it to 16 bytes may take, for
/// `malloc` and `free` together.
const MAX_ADDED: f64 = 12.0;

/// The numbers of pairs of calls in two runs, whose difference counts.
const FEW: u64 = 10_000;
const MANY: u64 = 60_000;

/// Counts the instructions of `malloc` and `free`, and of the heap behind them, and compares.
///
/// # Errors
///
/// If there are more than [`MAX_ADDED`] between them, or they cannot be counted.
pub fn check(workspace: &Workspace) -> Result<()> {
    let target = workspace.scratch("preload").join("target");
    workspace
        .cargo(["build", "--release", "-p", INTERFACE, "--example", "pairs"])
        .args(["--target-dir", target.as_str()])
        .run()?;
    let program = target.join("release/examples/pairs");
    let counts = workspace.scratch("preload").join("counts");
    let [c, heap] = ["c", "heap"].map(|who| per_pair(&program, who, &counts));
    let (c, heap) = (c?, heap?);
    println!("instructions of malloc and free: {c:.1}; of the heap behind them: {heap:.1}");
    let share = c - heap;
    ensure!(share <= MAX_ADDED, "C's functions add {share:.1} instructions, more than {MAX_ADDED}");
    Ok(())
}

/// Instructions of a pair of calls.
fn per_pair(program: &Utf8Path, who: &str, counts: &Utf8Path) -> Result<f64> {
    let few = count(program, who, FEW, counts)?;
    let many = count(program, who, MANY, counts)?;
    let more = many.checked_sub(few).context("more calls take fewer instructions")?;
    Ok(more as f64 / (MANY - FEW) as f64)
}

/// The instructions of `pairs` pairs, and of the program around them.
fn count(program: &Utf8Path, who: &str, pairs: u64, counts: &Utf8Path) -> Result<u64> {
    let valgrind = tools::require("valgrind", &install("valgrind"))?;
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", &format!("--callgrind-out-file={counts}")])
        .args([program.as_str(), who, &pairs.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} has failed: {said}");
    total(&fs::read_to_string(counts)?)
}
