//! `soak`: random scripts of operations, each of which is checked, in any number.
//!
//! With `--verify-every`, the heap is verified less often, so there are many more operations in the same time.

use std::num::NonZero;
use std::thread::available_parallelism;

use anyhow::Result;

use crate::workspace::Workspace;

#[derive(clap::Args)]
pub struct Args {
    /// How many calls of the heaps to make in total.
    #[arg(long, default_value_t = 100_000_000)]
    operations: u64,
    /// The seed of the random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads run scripts; by default, one for each processor.
    #[arg(long)]
    jobs: Option<usize>,
    /// After how many operations a heap is verified. If that is more than one, the programs only look at the ends of the
    /// blocks that they pass, and there are no logical threads.
    #[arg(long, value_name = "N", default_value_t = NonZero::<u64>::MIN)]
    verify_every: NonZero<u64>,
    /// Only heaps of this level: `plain`, `checked` or `hardened`. Checked and hardened heaps report misuse.
    #[arg(long, default_value = "all")]
    level: String,
    /// Short for `--level checked`.
    #[arg(long, conflicts_with = "level")]
    checked: bool,
}

pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let jobs = args.jobs.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get));
    let every = args.verify_every.to_string();
    let numbers = [args.operations.to_string(), args.seed.to_string(), jobs.to_string(), every];
    workspace
        .cargo(["run", "--profile", "soak", "-p", "talloc-fuzz", "--bin", "soak", "--"])
        .args(numbers)
        .args([if args.checked { "checked" } else { &args.level }])
        .run()
}
