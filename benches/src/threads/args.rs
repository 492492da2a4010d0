//! The command line, and the numbers of a table's cell.

use super::work::{Cost, Load, Work};
use crate::{sizes::Sizes, timing::median};

/// The sizes of blocks: sizes that programs request most, sizes that are cached, and sizes that are not.
const SIZES: [Sizes; 3] =
    [Sizes::Uniform(1, 256), Sizes::Uniform(1, 1000), Sizes::Log(8, 32 << 10)];

#[derive(clap::Args)]
pub struct Args {
    /// Numbers of threads.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
    threads: Vec<usize>,
    /// Only these workloads.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    only: Vec<Work>,
    /// Only these allocators, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub heaps: Vec<String>,
    /// The sizes of blocks: a number is the largest of uniform sizes, and log-32768 has logarithmic sizes.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = SIZES)]
    sizes: Vec<Sizes>,
    /// Calls of the allocator in a run, in all threads together.
    #[arg(long, default_value_t = 4_000_000)]
    calls: usize,
    /// How often each allocator runs; the median counts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Three rounds, of a quarter of the calls.
    #[arg(long)]
    quick: bool,
    /// Also draw the tables.
    #[arg(long)]
    pub plot: bool,
}

impl Args {
    /// How often each allocator runs.
    pub fn rounds(&self) -> usize {
        if self.quick { 3 } else { self.rounds }
    }

    /// The workloads.
    pub fn works(&self) -> Vec<Work> {
        if self.only.is_empty() { Work::ALL.to_vec() } else { self.only.clone() }
    }

    /// The workload with all sizes and numbers of threads.
    pub fn loads(&self, work: Work) -> Vec<Load> {
        let calls = if self.quick { self.calls / 4 } else { self.calls };
        let load = |sizes| {
            let threads = self.threads.iter();
            threads.map(move |&threads| Load { work, threads, calls, sizes })
        };
        self.sizes.iter().flat_map(|&sizes| load(sizes)).collect()
    }
}

/// The median of millions of calls per second.
pub fn rate(load: &Load, runs: &[Cost]) -> Option<f64> {
    let seconds: Vec<_> = runs.iter().map(|run| run.wall.as_secs_f64()).collect();
    Some(load.calls as f64 / median(&seconds)? / 1e6)
}

/// The median of nanoseconds of processor time per call, of all processors.
pub fn cost(load: &Load, runs: &[Cost]) -> Option<f64> {
    let seconds: Vec<_> = runs.iter().map(|run| run.processors.as_secs_f64()).collect();
    Some(median(&seconds)? * 1e9 / load.calls as f64)
}

/// The name of a table's row.
pub fn row(load: &Load) -> String {
    format!("{} x{}", load.sizes, load.threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::time::Duration;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn loads_are_the_product_of_sizes_and_threads() {
        let line =
            ["", "--quick", "--calls", "4000", "--threads", "1,2", "--sizes", "256", "log-512"];
        let args = Cli::parse_from(line).args;
        let loads = args.loads(Work::Churn);
        let rows: Vec<_> = loads.iter().map(row).collect();
        assert_eq!(rows, ["256 x1", "256 x2", "log-512 x1", "log-512 x2"]);
        assert!(loads.iter().all(|load| load.calls == 1000));
        assert_eq!((args.rounds(), args.works()), (3, Work::ALL.to_vec()));
    }

    #[test]
    fn the_middle_run_counts() {
        let load = Load { work: Work::Random, threads: 2, calls: 1000, sizes: SIZES[0] };
        let run = |milliseconds| {
            let wall = Duration::from_millis(milliseconds);
            Cost { wall, processors: wall * 2 }
        };
        let runs = [run(1), run(100), run(2)];
        assert!((rate(&load, &runs).unwrap() - 0.5).abs() < 1e-9);
        assert!((cost(&load, &runs).unwrap() - 4000.0).abs() < 1e-9);
        assert_eq!((rate(&load, &[]), cost(&load, &[])), (None, None));
    }
}
