//! Counts the instructions of pairs of operations on each heap with a budget, and prints them as CSV.

use anyhow::{Result, bail, ensure};
use std::{env, time::Duration};
use talloc_count::{COMPILER, HEAPS, Program, find, heap::Memory, pairs::Pair, replay::ample};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // clap would take longer to build than everything else.
    match arguments[..] {
        [] => count(&Program::current()?),
        ["script", "--heap", heap, "--workload", pair, "--ops", ops] => {
            run(heap, pair.parse()?, ops.parse()?)
        }
        _ => bail!("usage: talloc-count [script --heap HEAP --workload PAIR --ops NUMBER]"),
    }
}

fn count(program: &Program) -> Result<()> {
    /// The percentage by which a later count may differ.
    const TOLERANCE: u32 = 1;
    println!("workload,heap,instructions,tolerance_percent,compiler");
    for pair in Pair::ALL {
        for (heap, cost) in HEAPS.iter().zip(program.net(&HEAPS, &pair.to_string())?) {
            let instructions = cost.instructions * f64::from(pair.events());
            println!("{pair},{heap},{instructions:.2},{TOLERANCE},{COMPILER}");
        }
    }
    Ok(())
}

/// Runs the start of a workload on a heap, under valgrind, without a clock.
fn run(heap: &str, pair: Pair, ops: usize) -> Result<()> {
    /// The length of the generated workload. It is the same for every run, so runs differ only in the number of
    /// operations.
    const LONGEST: usize = 500_000;
    const UNLIMITED: Duration = Duration::from_secs(1 << 32);
    let replay = find(heap)?;
    let script = pair.script(LONGEST);
    let events = script.events().len();
    ensure!(ops <= events, "{pair} has {events} events");
    let mut memory = Memory::new(ample(&script));
    // SAFETY: The memory is borrowed for the call.
    unsafe { replay(&script, ops, memory.first(usize::MAX), UNLIMITED) }?;
    Ok(())
}
