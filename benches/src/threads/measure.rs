//! Measuring, and what comes of it.

use super::{
    heaps::{Entry, HEAPS},
    work::{Cost, Load, Work},
};
use crate::{
    heap::Memory,
    report::{self, Csv, Table},
    timing::median,
};
use anyhow::{Result, bail};

/// The largest blocks' sizes: about all that programs ask for, and all that is cached.
const MAX_SIZES: [usize; 2] = [256, 512];

/// Memory of the heaps that need some.
const MEMORY: usize = 64 << 20;

#[derive(clap::Args)]
pub struct Args {
    /// Numbers of threads.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
    threads: Vec<usize>,
    /// Only these workloads.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    only: Vec<Work>,
    /// Only these heaps, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    heaps: Vec<String>,
    /// The largest sizes in bytes.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = MAX_SIZES[..1].to_vec())]
    sizes: Vec<usize>,
    /// Calls of the heap in a run, in all threads together.
    #[arg(long, default_value_t = 4_000_000)]
    calls: usize,
    /// How often each heap runs; the median counts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Three rounds, of a quarter of the calls.
    #[arg(long)]
    quick: bool,
}

impl Args {
    fn heaps(&self) -> Result<Vec<&'static Entry>> {
        if self.heaps.is_empty() {
            return Ok(HEAPS.iter().filter(|heap| !heap.on_demand).collect());
        }
        let find = |name: &String| match HEAPS.iter().find(|heap| heap.name == name) {
            Some(heap) => Ok(heap),
            None => {
                let names: Vec<_> = HEAPS.iter().map(|heap| heap.name).collect();
                bail!("no heap for threads is called {name}: there are {}", names.join(", "))
            }
        };
        self.heaps.iter().map(find).collect()
    }

    fn loads(&self) -> Vec<Load> {
        let works = if self.only.is_empty() { Work::ALL.to_vec() } else { self.only.clone() };
        let calls = if self.quick { self.calls / 4 } else { self.calls };
        let load = |work, max_size| {
            let threads = self.threads.iter();
            threads.map(move |&threads| Load { work, threads, calls, max_size })
        };
        works
            .into_iter()
            .flat_map(|work| self.sizes.iter().flat_map(move |&size| load(work, size)))
            .collect()
    }
}

/// Measures the heaps on the workloads, prints tables, and writes every round to `results/threads.csv`.
///
/// # Errors
/// If there is no heap of a name, or the results cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let heaps = args.heaps()?;
    let rounds = if args.quick { 3 } else { args.rounds };
    let mut memory = Memory::new(MEMORY);
    let names: Vec<_> = heaps.iter().map(|heap| heap.name).collect();
    let mut rates = Table::new("Millions of calls per second", names.clone(), 1).more_is_better();
    let mut costs = Table::new("Nanoseconds of all processors per call", names, 1);
    let mut csv = Csv::create(
        "threads",
        &[
            "workload",
            "max_size",
            "threads",
            "heap",
            "round",
            "calls",
            "seconds",
            "processor_seconds",
        ],
    )?;
    let mut trips = String::new();
    for load in args.loads() {
        let times = time(&load, &heaps, rounds, &mut memory);
        let name = format!("{}-{} x{}", load.work.name(), load.max_size, load.threads);
        let calls = load.calls as f64;
        let middle = |times: &Vec<Cost>, part: fn(&Cost) -> f64| {
            median(&times.iter().map(part).collect::<Vec<_>>())
        };
        let rate = |times| middle(times, |cost| cost.wall.as_secs_f64()).map(|s| calls / s / 1e6);
        let cost =
            |times| middle(times, |cost| cost.processors.as_secs_f64()).map(|s| s * 1e9 / calls);
        rates.push(&name, times.iter().map(rate).collect());
        costs.push(&name, times.iter().map(cost).collect());
        for (heap, times) in heaps.iter().zip(&times) {
            for (round, cost) in times.iter().enumerate() {
                csv.push(&[
                    load.work.name(),
                    &load.max_size.to_string(),
                    &load.threads.to_string(),
                    heap.name,
                    &round.to_string(),
                    &load.calls.to_string(),
                    &cost.wall.as_secs_f64().to_string(),
                    &cost.processors.as_secs_f64().to_string(),
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
    println!("{}\n{}\n{trips}", rates.markdown(), costs.markdown());
    csv.finish()?;
    report::save("threads", &[rates, costs])
}

/// The times of each heap, in rounds that are interleaved: when the machine becomes slower or faster, it does so for all.
fn time(load: &Load, heaps: &[&Entry], rounds: usize, memory: &mut Memory) -> Vec<Vec<Cost>> {
    let mut times = vec![Vec::new(); heaps.len()];
    for _ in 0..rounds {
        for (heap, times) in heaps.iter().zip(&mut times) {
            // SAFETY: The memory is borrowed for the call.
            let time = unsafe { heap.run(load, memory.first(usize::MAX)) };
            times.push(time);
        }
    }
    times
}
