//! `shared`: bare heaps that threads share, each behind a lock or magazines.

use super::{
    args::{Args, cost, rate, row},
    heaps::{Entry, HEAPS},
    work::{Cost, Load},
};
use crate::{
    heap::Memory,
    plot::Style,
    publish::publish,
    report::{Csv, Table},
};
use anyhow::{Result, bail};

/// The memory of a heap: more than all parcels that can be under way need.
const MEMORY: usize = 1 << 30;

/// Measures the heaps on the workloads, publishes tables, and writes every round to `results/shared.csv`.
///
/// # Errors
/// If there is no heap of a name, or the results cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let heaps = choose(&args.heaps)?;
    let mut memory = Memory::new(MEMORY);
    let names: Vec<_> = heaps.iter().map(|heap| heap.name).collect();
    let mut rates = Table::new("Millions of calls per second", names.clone(), 1).more_is_better();
    let mut costs = Table::new("Nanoseconds of all processors per call", names, 1);
    let columns =
        ["workload", "sizes", "threads", "heap", "round", "calls", "seconds", "processor_seconds"];
    let mut csv = Csv::create("shared", &columns)?;
    let mut trips = String::new();
    for load in args.works().into_iter().flat_map(|work| args.loads(work)) {
        let runs = time(&load, &heaps, args.rounds(), &mut memory);
        let name = format!("{} {}", load.work.name(), row(&load));
        rates.push(&name, runs.iter().map(|runs| rate(&load, runs)).collect());
        costs.push(&name, runs.iter().map(|runs| cost(&load, runs)).collect());
        for (heap, runs) in heaps.iter().zip(&runs) {
            for (round, run) in runs.iter().enumerate() {
                csv.push(&[
                    load.work.name(),
                    &load.sizes.to_string(),
                    &load.threads.to_string(),
                    heap.name,
                    &round.to_string(),
                    &load.calls.to_string(),
                    &run.wall.as_secs_f64().to_string(),
                    &run.processors.as_secs_f64().to_string(),
                ])?;
            }
            if let Some(count) = heap.trips {
                let count = count(&load, memory.first(usize::MAX));
                let each = load.calls as f64 / count as f64;
                trips += &format!(
                    "{name} {}: one in {each:.0} calls takes the heap's lock\n",
                    heap.name
                );
            }
        }
    }
    csv.finish()?;
    let style = Style { joined: false, logarithmic: true };
    publish("shared", &[rates, costs], args.plot.then_some(style))?;
    println!("{trips}");
    Ok(())
}

/// The heaps of these names; the usual ones if there are no names.
fn choose(names: &[String]) -> Result<Vec<&'static Entry>> {
    if names.is_empty() {
        return Ok(HEAPS.iter().filter(|heap| !heap.on_demand).collect());
    }
    let find = |name: &String| match HEAPS.iter().find(|heap| heap.name == name) {
        Some(heap) => Ok(heap),
        None => {
            let names: Vec<_> = HEAPS.iter().map(|heap| heap.name).collect();
            bail!("no heap for threads is called {name}: there are {}", names.join(", "))
        }
    };
    names.iter().map(find).collect()
}

/// The runs of each heap, in interleaved rounds, so that a change of the machine's speed affects all heaps.
fn time(load: &Load, heaps: &[&Entry], rounds: usize, memory: &mut Memory) -> Vec<Vec<Cost>> {
    let mut runs = vec![Vec::new(); heaps.len()];
    for _ in 0..rounds {
        for (heap, runs) in heaps.iter().zip(&mut runs) {
            // SAFETY: The memory is borrowed for the call.
            runs.push(unsafe { heap.run(load, memory.first(usize::MAX)) });
        }
    }
    runs
}
