//! `child`: measures one allocator in this process, and answers with numbers.

use super::workload;
use anyhow::Result;
use clap::Subcommand;
use talloc_benches::{
    hosted::{
        aging::{Round, age_null},
        allocators, child,
        give_back::GivenBack,
    },
    registry::NULL,
    sizes::Sizes,
    threads::work::{Load, Work},
};

/// Operations of a random workload.
const OPS: usize = 1_000_000;

#[derive(Subcommand)]
pub enum Child {
    /// Replays a workload.
    Age {
        /// The allocator; the heap `null` shows the replay's own cost.
        #[arg(long)]
        allocator: String,
        #[arg(long)]
        workload: String,
        #[arg(long)]
        rounds: usize,
    },
    /// Lets threads work.
    Work {
        #[arg(long)]
        allocator: String,
        #[arg(long)]
        work: Work,
        #[arg(long)]
        threads: usize,
        #[arg(long)]
        calls: usize,
        #[arg(long)]
        sizes: Sizes,
    },
    /// Frees most of its memory.
    GiveBack {
        #[arg(long)]
        allocator: String,
        #[arg(long)]
        bytes: usize,
    },
}

pub fn child(child: &Child) -> Result<()> {
    child::prepare();
    match child {
        Child::Age { allocator, workload: name, rounds } => {
            let script = workload(name, OPS)?;
            let rounds = if allocator == NULL.name {
                age_null(&script, *rounds)?
            } else {
                allocators::find(allocator)?.age(&script, *rounds)?
            };
            child::answer(&rounds.iter().map(Round::record).collect::<Vec<_>>());
        }
        &Child::Work { ref allocator, work, threads, calls, sizes } => {
            let load = Load { work, threads, calls, sizes };
            let (cost, peak) = allocators::find(allocator)?.work(&load)?;
            child::answer(&[[cost.wall.as_secs_f64(), cost.processors.as_secs_f64(), peak as f64]]);
        }
        Child::GiveBack { allocator, bytes } => {
            let given: GivenBack = allocators::find(allocator)?.give_back(*bytes)?;
            child::answer(&[given.record()]);
        }
    }
    Ok(())
}
