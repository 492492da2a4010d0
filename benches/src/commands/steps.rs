//! `steps`: instructions of requests among very many free chunks that do not fit.

use crate::cli::{RequestArgs, StepsArgs};
use anyhow::{Context, Result};
use std::time::Duration;
use talloc_benches::{
    heap::Memory,
    registry,
    report::{self, Csv, Table},
    workload,
    worst::{Case, Requests, Worst},
};
use talloc_count::Program;

pub fn steps(args: &StepsArgs) -> Result<()> {
    let names: Vec<_> = registry::choose(&args.heaps)?.iter().map(|heap| heap.name).collect();
    let title = "Worst case: instructions per request among free chunks";
    let mut table = Table::new(title, names.clone(), 0).without_means();
    let mut csv = Csv::create("steps", &["holes", "case", "heap", "instructions"])?;
    for holes in &args.holes {
        for case in Case::ALL {
            let count = |heap: &&str| {
                let count = count_request(heap, case, *holes);
                count.inspect_err(|error| eprintln!("{heap} {holes}: {error}")).ok()
            };
            let counts: Vec<_> = names.iter().map(count).collect();
            for (heap, count) in names.iter().zip(&counts) {
                let Some(count) = count else { continue };
                csv.push(&[&holes.to_string(), case.name(), heap, &count.to_string()])?;
            }
            table.push(&format!("{holes}: {}", case.name()), counts);
        }
    }
    println!("{}", table.markdown());
    csv.finish()?;
    report::save("steps", &[table])
}

/// Counts the instructions of a request among `holes` free chunks that do not fit, and of the following free if the request
/// succeeds. Returns the mean of all requests after the first few.
///
/// # Errors
/// If valgrind is not installed or fails, as it does if the heap cannot make the chunks.
fn count_request(heap: &str, case: Case, holes: usize) -> Result<f64> {
    const FEW: u64 = 10;
    const MORE: u64 = 60;
    let program = Program::current()?;
    let run = |requests: u64| {
        let [holes, requests] = [holes.to_string(), requests.to_string()];
        let place = ["request", "--heap", heap, "--case", case.name()];
        program.instructions(&[&place[..], &["--holes", &holes, "--requests", &requests]].concat())
    };
    let [few, more] = [run(FEW)?, run(MORE)?];
    Ok((more as f64 - few as f64) / (MORE - FEW) as f64)
}

pub fn request(args: &RequestArgs) -> Result<()> {
    let heap = registry::find(&args.heap)?;
    let case = Case::find(&args.case).with_context(|| format!("no such case: {}", args.case))?;
    let worst = Worst { holes: args.holes, requests: args.requests, limit: Duration::MAX };
    let mut memory = Memory::new(worst.arena());
    // SAFETY: the memory is borrowed for the call.
    unsafe { workload::run(heap, &mut Requests(worst, case), memory.first(usize::MAX)) }??;
    Ok(())
}
