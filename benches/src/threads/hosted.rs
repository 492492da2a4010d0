//! `threads`: allocators of hosted programs, each run in a separate process.

use super::{
    args::{Args, cost, rate, row},
    work::{Cost, Load, Work},
};
use crate::{
    hosted::{
        allocators::{self, Allocator},
        child,
    },
    plot::Style,
    publish::publish,
    report::{Csv, Table},
    timing::median,
};
use anyhow::{Context, Result};
use std::{env, path::Path, time::Duration};

/// A run in a separate process.
struct Run {
    cost: Cost,
    peak: f64,
}

/// Measures the allocators on the workloads, publishes tables, and writes every round to `results/threads-WORK`.
///
/// # Errors
///
/// If there is no allocator of a name, a child fails, or the results cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let allocators = allocators::choose(&args.heaps)?;
    let program = env::current_exe()?;
    args.works().into_iter().try_for_each(|work| compare(args, work, &allocators, &program))
}

fn compare(args: &Args, work: Work, allocators: &[&Allocator], program: &Path) -> Result<()> {
    let names: Vec<_> = allocators.iter().map(|allocator| allocator.name).collect();
    let table = |title: &str, decimals| {
        Table::new(format!("{}: {title}", work.title()), names.clone(), decimals)
    };
    let mut rates = table("millions of calls per second", 1).more_is_better();
    let mut costs = table("nanoseconds of all processors per call", 1);
    let mut peaks = table("MiB resident at the peak", 2);
    let file = format!("threads-{}", work.name());
    let columns = [
        "sizes",
        "threads",
        "allocator",
        "round",
        "calls",
        "seconds",
        "processor_seconds",
        "peak_bytes",
    ];
    let mut csv = Csv::create(&file, &columns)?;
    for load in args.loads(work) {
        let runs = measure(&load, allocators, args.rounds(), program)?;
        let costs_of: Vec<Vec<_>> =
            runs.iter().map(|runs| runs.iter().map(|run| run.cost).collect()).collect();
        rates.push(&row(&load), costs_of.iter().map(|runs| rate(&load, runs)).collect());
        costs.push(&row(&load), costs_of.iter().map(|runs| cost(&load, runs)).collect());
        peaks.push(&row(&load), runs.iter().map(|runs| peak(runs)).collect());
        for (allocator, runs) in allocators.iter().zip(&runs) {
            for (round, run) in runs.iter().enumerate() {
                csv.push(&[
                    &load.sizes.to_string(),
                    &load.threads.to_string(),
                    allocator.name,
                    &round.to_string(),
                    &load.calls.to_string(),
                    &run.cost.wall.as_secs_f64().to_string(),
                    &run.cost.processors.as_secs_f64().to_string(),
                    &run.peak.to_string(),
                ])?;
            }
        }
    }
    csv.finish()?;
    let style = Style { joined: false, logarithmic: true };
    publish(&file, &[rates, costs, peaks], args.plot.then_some(style))
}

/// The runs of each allocator, in interleaved rounds, so that a change of the machine's speed affects all allocators.
fn measure(
    load: &Load,
    allocators: &[&Allocator],
    rounds: usize,
    program: &Path,
) -> Result<Vec<Vec<Run>>> {
    let mut runs: Vec<_> = allocators.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (allocator, runs) in allocators.iter().zip(&mut runs) {
            runs.push(ask(load, allocator, program)?);
        }
    }
    Ok(runs)
}

fn ask(load: &Load, allocator: &Allocator, program: &Path) -> Result<Run> {
    let arguments = [
        "work",
        &format!("--allocator={}", allocator.name),
        &format!("--work={}", load.work.name()),
        &format!("--threads={}", load.threads),
        &format!("--calls={}", load.calls),
        &format!("--sizes={}", load.sizes),
    ];
    let records = child::ask::<3>(program, &arguments.map(str::to_owned))?;
    let [wall, processors, peak] = *records.first().context("no answer")?;
    let [wall, processors] = [wall, processors].map(Duration::from_secs_f64);
    Ok(Run { cost: Cost { wall, processors }, peak })
}

/// The median peak in MiB.
fn peak(runs: &[Run]) -> Option<f64> {
    let peaks: Vec<_> = runs.iter().map(|run| run.peak).collect();
    Some(median(&peaks)? / f64::from(1 << 20))
}
