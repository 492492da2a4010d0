//! The command line.

use crate::{commands::Child, program::ProgramArgs};
use clap::{Args, Parser, Subcommand};
use std::time::Duration;
use talloc_benches::{
    random::{MAX_SIZES, Mix},
    slices::MAX_SIZES as SLICE_SIZES,
    threads,
    timing::Plan,
};

/// Benchmarks of heaps and allocators: the time they take and the memory they need.
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
    /// Heap efficiency: live bytes divided by the arena's bytes when an allocation fails.
    Exhaustion(ExhaustionArgs),
    /// The time of requests among very many free chunks that do not fit.
    Worst(WorstArgs),
    /// Instructions of requests among very many free chunks that do not fit, counted by valgrind.
    Steps(StepsArgs),
    /// Runs the requests of one case of `worst` on one heap, without a clock: for `steps`.
    Request(RequestArgs),
    /// Instructions of operations in very many arenas, counted by valgrind, and their ratio to the instructions in a few
    /// arenas. Fails if the ratio is too high.
    Arenas(ArenasArgs),
    /// Runs one case of `arenas` on one heap.
    Many(ManyArgs),
    /// The distribution of the time of single calls, in a heap with room and under pressure.
    Latency(LatencyArgs),
    /// Random actions in slices of time: millions per second.
    Slices(SlicesArgs),
    /// Writes the tables of the last runs into the pages with results.
    Report,
    /// Instructions and mispredicted branches per operation, counted by valgrind.
    Count(CountArgs),
    /// The cost of checks and measures against memory errors: instructions, counted by valgrind, and time and memory on
    /// traces.
    Levels(LevelsArgs),
    /// Runs the start of one workload on one heap, without a clock: for callgrind and cachegrind. The difference
    /// between two numbers of operations is the cost of the operations; the heap `null` shows the workload's own cost.
    Script(ScriptArgs),
    /// Allocators of hosted programs on traces, cold, warm and aged: time per event, and memory.
    Hosted(HostedArgs),
    /// Memory that goes back to the operating system after most of it is freed.
    GiveBack(GiveBackArgs),
    /// Throughput and memory of allocators of hosted programs with several threads.
    Threads(threads::Args),
    /// Throughput of bare heaps that several threads share.
    Shared(threads::Args),
    /// Measures one allocator in this process, for `hosted`, `give-back` and `threads`, and prints numbers.
    #[command(subcommand, hide = true)]
    Child(Child),
    /// Time of a heap that several threads share, behind each kind of lock.
    Locks(threads::locks::Args),
    /// Time of a real program with several threads: the `index` example.
    Program(ProgramArgs),
}

#[derive(Args)]
pub struct Common {
    /// Only these heaps, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub heaps: Vec<String>,
    /// How often each heap runs; the median counts.
    #[arg(long, default_value_t = 7)]
    pub rounds: usize,
    /// Three rounds, and workloads of a quarter of the length or less.
    #[arg(long)]
    pub quick: bool,
    /// Show the fastest round instead of the median.
    #[arg(long)]
    pub best: bool,
    /// Do not validate the blocks that the heaps return. Validation is a separate run, which takes time.
    #[arg(long)]
    pub unchecked: bool,
    /// Seconds of processor time that one run of a workload may take; a heap that takes longer is left out.
    #[arg(long, default_value_t = 2.0)]
    pub limit: f64,
    /// Also draw the tables.
    #[arg(long)]
    pub plot: bool,
}

impl Common {
    /// The longest time of one run.
    pub fn limit(&self) -> Duration {
        Duration::from_secs_f64(self.limit)
    }

    /// How timings are taken.
    pub fn plan(&self) -> Plan {
        Plan { rounds: self.rounds(), limit: self.limit() }
    }

    /// How often each heap runs.
    pub fn rounds(&self) -> usize {
        if self.quick { 3 } else { self.rounds }
    }

    /// Returns `number`, or a quarter of it if runs are to be quick.
    pub fn shorten(&self, number: usize) -> usize {
        if self.quick { number / 4 } else { number }
    }
}

#[derive(Args)]
pub struct Traces {
    #[command(flatten)]
    pub common: Common,
    /// Only these traces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// Also measure the memory that each heap needs.
    #[arg(long)]
    pub memory: bool,
    /// Each heap behind a lock, as threads would share it: a spin lock, taken for each call.
    #[arg(long)]
    pub locked: bool,
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
    /// Each heap behind a lock, as threads would share it: a spin lock, taken for each call.
    #[arg(long)]
    pub locked: bool,
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
pub struct ExhaustionArgs {
    #[command(flatten)]
    pub common: Common,
    /// How often to fill the arena; a heap that takes longer than the limit fills it fewer times.
    #[arg(long, default_value_t = 40)]
    pub failures: usize,
}

#[derive(Args)]
pub struct WorstArgs {
    #[command(flatten)]
    pub common: Common,
    /// How many free chunks: few and many.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [2_000, 500_000])]
    pub holes: Vec<usize>,
    /// How many requests of each kind; a heap that takes longer than the limit makes fewer.
    #[arg(long, default_value_t = 2000)]
    pub requests: usize,
}

#[derive(Args)]
pub struct StepsArgs {
    /// Only these heaps, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub heaps: Vec<String>,
    /// How many free chunks: few and many.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [2_000, 500_000])]
    pub holes: Vec<usize>,
}

#[derive(Args)]
pub struct RequestArgs {
    /// The heap.
    #[arg(long)]
    pub heap: String,
    /// The case, by its name in the table.
    #[arg(long)]
    pub case: String,
    /// How many free chunks.
    #[arg(long)]
    pub holes: usize,
    /// How many requests.
    #[arg(long)]
    pub requests: usize,
}

#[derive(Args)]
pub struct ArenasArgs {
    /// How many arenas.
    #[arg(long, default_value_t = 10_000)]
    pub arenas: usize,
    /// Only these heaps, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = talloc_benches::arenas::HEAPS.map(str::to_owned))]
    pub heaps: Vec<String>,
}

#[derive(Args)]
pub struct ManyArgs {
    /// The heap.
    #[arg(long)]
    pub heap: String,
    /// The case, by its name in the table.
    #[arg(long)]
    pub case: String,
    /// How many arenas to claim.
    #[arg(long)]
    pub arenas: usize,
    /// How many arenas the memory suffices for.
    #[arg(long)]
    pub most: usize,
    /// How many operations.
    #[arg(long)]
    pub ops: u64,
}

#[derive(Args)]
pub struct LatencyArgs {
    #[command(flatten)]
    pub common: Common,
    /// Actions in a run.
    #[arg(long, default_value_t = 1_000_000)]
    pub actions: usize,
}

#[derive(Args)]
pub struct SlicesArgs {
    #[command(flatten)]
    pub common: Common,
    /// The largest sizes in bytes.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = SLICE_SIZES)]
    pub sizes: Vec<usize>,
    /// Milliseconds of processor time in a slice.
    #[arg(long, default_value_t = 40)]
    pub slice: u64,
}

#[derive(Args)]
pub struct HostedArgs {
    /// Only these allocators, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub heaps: Vec<String>,
    /// Only these workloads: the name of a trace, or a mix and a largest size as in uniform-1024; all traces if there are none.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// How many processes each allocator has; the median counts.
    #[arg(long, default_value_t = 7)]
    pub processes: usize,
    /// Rounds of the workload in a process.
    #[arg(long, default_value_t = 6)]
    pub rounds: usize,
    /// Three processes.
    #[arg(long)]
    pub quick: bool,
    /// Also draw the tables.
    #[arg(long)]
    pub plot: bool,
}

#[derive(Args)]
pub struct GiveBackArgs {
    /// Only these allocators, separated by commas or spaces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub heaps: Vec<String>,
    /// How many MiB of blocks to allocate, before most of them are freed.
    #[arg(long, default_value_t = 400)]
    pub mebibytes: usize,
    /// How many processes each allocator has; the median counts.
    #[arg(long, default_value_t = 5)]
    pub processes: usize,
    /// Also draw the tables.
    #[arg(long)]
    pub plot: bool,
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
pub struct LevelsArgs {
    /// Only these traces.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// How often each heap runs; the median counts.
    #[arg(long, default_value_t = 7)]
    pub rounds: usize,
}

#[derive(Args)]
pub struct ScriptArgs {
    /// The heap.
    #[arg(long)]
    pub heap: String,
    /// The workload: the name of a trace, a mix and a largest size as in uniform-1024, or a pair as in pair-hot.
    #[arg(long)]
    pub workload: String,
    /// How many events to run. The whole workload is read or generated in any case.
    #[arg(long)]
    pub ops: usize,
}
