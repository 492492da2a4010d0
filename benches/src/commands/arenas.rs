//! `arenas`: instructions of operations in very many arenas.

use crate::cli::{ArenasArgs, ManyArgs};
use anyhow::{Context, Result, ensure};
use talloc_benches::arenas::{Case, Run, instructions};

/// How many times what it costs in one arena an operation may cost in very many.
const MOST: f64 = 2.0;

pub fn arenas(args: &ArenasArgs) -> Result<()> {
    let many = format!("{} arenas", args.arenas);
    println!("{:14}{:10}{:>12}{many:>16}{:>8}", "heap", "case", "one arena", "ratio");
    let mut exceeded = 0;
    for heap in &args.heaps {
        for case in Case::ALL {
            let count = |arenas| instructions(heap, arenas, args.arenas, case);
            let (one, many) = (count(1)?, count(args.arenas)?);
            let ratio = many / one;
            exceeded += usize::from(ratio > MOST);
            let note = if ratio > MOST { "  exceeded" } else { "" };
            println!("{heap:14}{:10}{one:>12.1}{many:>16.1}{ratio:>8.2}{note}", case.name());
        }
    }
    ensure!(
        exceeded == 0,
        "{exceeded} operations take more than {MOST} times what they do in one arena"
    );
    Ok(())
}

pub fn many(args: &ManyArgs) -> Result<()> {
    let case = Case::find(&args.case).with_context(|| format!("no such case: {}", args.case))?;
    let run = Run { arenas: args.arenas, most: args.most, case, ops: args.ops };
    run.on(&args.heap)
}
