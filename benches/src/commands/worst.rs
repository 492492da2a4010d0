//! `worst`: requests among very many free chunks that do not fit.

use crate::cli::WorstArgs;
use anyhow::{Context, Result};
use talloc_benches::{
    heap::Memory,
    plot::Style,
    publish::publish,
    registry::{self, Entry},
    replay::Stop,
    report::{Csv, Table},
    ticks, workload,
    worst::{Case, Worst},
};

/// A heap's ticks of every request, for each case.
type Times = Vec<Vec<u32>>;

pub fn worst(args: &WorstArgs) -> Result<()> {
    let heaps = registry::choose(&args.common.heaps)?;
    let names: Vec<_> = heaps.iter().map(|heap| heap.name).collect();
    let title = |what| format!("Worst case: {what} nanoseconds per request among free chunks");
    let mut mean = Table::new(title("mean"), names.clone(), 0).without_means();
    let mut max = Table::new(title("most"), names, 0).without_means();
    let columns = ["holes", "case", "heap", "requests", "mean_ns", "max_ns"];
    let mut csv = Csv::create("worst", &columns)?;
    for &holes in &args.holes {
        let requests = args.common.shorten(args.requests).max(1);
        let holes = if args.common.quick { holes.min(50_000) } else { holes };
        let worst = Worst { holes, requests, limit: args.common.limit() };
        let times = times(args, worst, &heaps)?;
        for (number, case) in Case::ALL.into_iter().enumerate() {
            let row = format!("{holes}: {}", case.name());
            let cells =
                times.iter().map(|times| times.as_ref().map(|times| summary(&times[number])));
            let cells: Vec<_> = cells.collect();
            for (heap, cell) in heaps.iter().zip(&cells) {
                let Some((requests, mean, max)) = cell else { continue };
                let numbers = [&holes.to_string(), case.name(), heap.name];
                let results = [requests.to_string(), mean.to_string(), max.to_string()];
                csv.push(&[&numbers[..], &results.each_ref().map(String::as_str)].concat())?;
            }
            mean.push(&row, cells.iter().map(|cell| cell.map(|(_, mean, _)| mean)).collect());
            max.push(&row, cells.iter().map(|cell| cell.map(|(.., max)| max)).collect());
        }
    }
    csv.finish()?;
    let style = Style { joined: false, logarithmic: true };
    publish("worst", &[mean, max], args.common.plot.then_some(style))
}

/// The median of each request over the rounds, for each heap that can make the free chunks in time.
fn times(
    args: &WorstArgs,
    mut worst: Worst,
    heaps: &[&'static Entry],
) -> Result<Vec<Option<Times>>> {
    let mut memory = Memory::new(worst.arena());
    let mut rounds: Vec<Result<Vec<Times>, Stop>> = heaps.iter().map(|_| Ok(Vec::new())).collect();
    for round in 0..args.common.rounds() {
        for (heap, rounds) in heaps.iter().zip(&mut rounds) {
            let Ok(times) = rounds else { continue };
            // SAFETY: the memory is borrowed for the call.
            match unsafe { workload::run(heap, &mut worst, memory.first(usize::MAX)) }
                .and_then(|times| times)
            {
                Ok(round) => times.push(round),
                Err(stop) => {
                    eprintln!("{} {}: {stop}", heap.name, worst.holes);
                    *rounds = Err(stop);
                }
            }
            if !args.common.unchecked && round == 0 {
                let mut few = Worst { holes: worst.holes.min(2000), requests: 20, ..worst };
                // SAFETY: the memory is borrowed for the call.
                let checked = unsafe { workload::check(heap, &mut few, memory.first(usize::MAX)) };
                checked
                    .context(heap.name)?
                    .map_or_else(|stop| eprintln!("{}: {stop}", heap.name), drop);
            }
        }
    }
    Ok(rounds.into_iter().map(|rounds| Some(medians(&rounds.ok()?))).collect())
}

fn medians(rounds: &[Times]) -> Times {
    let case = |case: usize| {
        ticks::medians(&rounds.iter().map(|round| round[case].clone()).collect::<Vec<_>>())
    };
    (0..Case::ALL.len()).map(case).collect()
}

/// The number of requests, and their mean and highest time in nanoseconds.
fn summary(ticks: &[u32]) -> (usize, f64, f64) {
    let length = ticks::nanoseconds_per_tick();
    let sum: f64 = ticks.iter().map(|&ticks| f64::from(ticks)).sum();
    let most = ticks.iter().copied().max().unwrap_or(0);
    (ticks.len(), sum / ticks.len() as f64 * length, f64::from(most) * length)
}
