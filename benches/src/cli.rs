//! The command line.

use clap::{Args, Parser, Subcommand};
use std::time::Duration;
use talloc_benches::{
    random::{MAX_SIZES, Mix},
    timing::Plan,
};

/// Benchmarks of unlocked heaps: the time they take and the memory they need.
#[derive(Parser)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Time per event on traces of real programs.
    Traces(Traces),
    /// Time per operation on random workloads.
    Random(RandomArgs),
    /// The smallest arena that completes a workload, divided by the peak of live bytes.
    Memory(MemoryArgs),
    /// Instructions and mispredicted branches per operation, counted by valgrind.
    Count(CountArgs),
    /// Instructions of pairs of operations on our own heaps, compared with the budget.
    Budget(BudgetArgs),
    /// Runs the start of one workload on one heap, without a clock: for callgrind and cachegrind. The difference
    /// between two numbers of operations is the operations' cost; the heap `null` has the workload's own.
    Script(ScriptArgs),
}

#[derive(Args)]
pub struct Common {
    /// Only these heaps, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub heaps: Vec<String>,
    /// How often each heap runs; the median counts.
    #[arg(long, default_value_t = 7)]
    pub rounds: usize,
    /// Three rounds, and random workloads of a quarter of the length.
    #[arg(long)]
    pub quick: bool,
    /// Show the fastest round instead of the median.
    #[arg(long)]
    pub best: bool,
    /// Also validate everything that the heaps give.
    #[arg(long)]
    pub check: bool,
    /// Seconds that one run of a workload may take; a heap that takes longer is left out.
    #[arg(long, default_value_t = 2.0)]
    pub limit: f64,
}

impl Common {
    /// How long one run may take.
    pub fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.limit)
    }

    /// How timings are taken.
    pub fn plan(&self) -> Plan {
        Plan { rounds: if self.quick { 3 } else { self.rounds }, limit: self.limit() }
    }
}

#[derive(Args)]
pub struct Traces {
    #[command(flatten)]
    pub common: Common,
    /// Only these traces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// Also the memory that each heap needs.
    #[arg(long)]
    pub memory: bool,
}

#[derive(Args)]
pub struct RandomArgs {
    #[command(flatten)]
    pub common: Common,
    /// Only these mixes: uniform, log, actions.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub mixes: Vec<Mix>,
    /// The largest sizes in bytes.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = MAX_SIZES)]
    pub sizes: Vec<u32>,
    /// Operations in a run.
    #[arg(long, default_value_t = 1_000_000)]
    pub ops: usize,
}

#[derive(Args)]
pub struct MemoryArgs {
    #[command(flatten)]
    pub common: Common,
    /// Only these workloads: the name of a trace, or a mix and a largest size as in uniform-1024.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// Operations in a random workload.
    #[arg(long, default_value_t = 200_000)]
    pub ops: usize,
}

#[derive(Args)]
pub struct CountArgs {
    /// Only these heaps, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub heaps: Vec<String>,
    /// The workloads: the name of a trace, or a mix and a largest size as in uniform-1024.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_value = "uniform-1024")]
    pub only: Vec<String>,
}

#[derive(Args)]
pub struct BudgetArgs {
    /// Make what is counted the budget.
    #[arg(long)]
    pub bless: bool,
}

#[derive(Args)]
pub struct ScriptArgs {
    /// The heap.
    #[arg(long)]
    pub heap: String,
    /// The workload: the name of a trace, a mix and a largest size as in uniform-1024, or a pair as in pair-hot.
    #[arg(long)]
    pub workload: String,
    /// How many events to run; the whole workload is read or generated whatever this says.
    #[arg(long)]
    pub ops: usize,
}
