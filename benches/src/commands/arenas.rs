//! `arenas`: instructions of operations in very many arenas.

use crate::cli::{ArenasArgs, ManyArgs};
use anyhow::{Context, Result, ensure};
use talloc_benches::arenas::{Case, Run, instructions};

/// The number of arenas for comparison.
const FEW: usize = 10;

/// The largest ratio of the cost of an operation in very many arenas to its cost in a few.
const MAX_RATIO: f64 = 2.0;

pub fn arenas(args: &ArenasArgs) -> Result<()> {
    let [few, many] = [FEW, args.arenas].map(|arenas| format!("{arenas} arenas"));
    println!("{:12}{:10}{:>11}{few:>14}{many:>14}{:>8}", "heap", "case", "one arena", "ratio");
    let mut exceeded = 0;
    for heap in &args.heaps {
        for case in Case::ALL {
            let count = |arenas| instructions(heap, arenas, args.arenas, case);
            let (one, few, many) = (count(1)?, count(FEW)?, count(args.arenas)?);
            let ratio = many / few;
            exceeded += usize::from(ratio > MAX_RATIO);
            let note = if ratio > MAX_RATIO { "  exceeded" } else { "" };
            let case = case.name();
            println!("{heap:12}{case:10}{one:>11.1}{few:>14.1}{many:>14.1}{ratio:>8.2}{note}");
        }
    }
    ensure!(
        exceeded == 0,
        "{exceeded} operations take more than {MAX_RATIO} times what they do in a few arenas"
    );
    Ok(())
}

pub fn many(args: &ManyArgs) -> Result<()> {
    let case = Case::find(&args.case).with_context(|| format!("no such case: {}", args.case))?;
    let run = Run { arenas: args.arenas, most: args.most, case, ops: args.ops };
    run.on(&args.heap)
}
