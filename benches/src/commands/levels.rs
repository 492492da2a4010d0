//! `levels`: the cost of checks and of measures against memory errors.

use crate::cli::LevelsArgs;
use anyhow::Result;
use std::time::Duration;
use talloc_benches::{
    memory,
    pairs::Pair,
    registry::{self, Entry},
    report::{self, Csv, Table},
    timing::{self, Plan},
    trace,
};
use talloc_count::Program;
use talloc_sync::Measures;

/// The pairs that are counted.
const PAIRS: [&str; 3] = ["pair-hot", "pair-256", "pair-1024"];

/// The longest time of a run.
const LIMIT: Duration = Duration::from_secs(60);

pub fn levels(args: &LevelsArgs) -> Result<()> {
    let heaps = heaps()?;
    let mut csv = Csv::create("levels", &["workload", "heap", "figure", "value"])?;
    let tables = [instructions(&heaps, &mut csv)?, traces(&heaps, args, &mut csv)?];
    tables.iter().for_each(|table| println!("{}", table.markdown()));
    csv.finish()?;
    report::save("levels", &tables)
}

/// The heap without checks first, then the checked heap, heaps with one measure each, and heaps with several measures.
fn heaps() -> Result<Vec<&'static Entry>> {
    let measures = Measures::EACH.map(|(name, _)| name);
    let names = ["talloc", "talloc-checked"].into_iter().chain(measures);
    names.chain(["talloc-hardened", "talloc-all-measures"]).map(registry::find).collect()
}

/// Counts the instructions of a pair of operations.
fn instructions(heaps: &[&Entry], csv: &mut Csv) -> Result<Table> {
    let names: Vec<_> = heaps.iter().map(|heap| heap.name).collect();
    let program = Program::current()?;
    let mut columns = Vec::new();
    for pair in PAIRS {
        let events = f64::from(pair.parse::<Pair>()?.events());
        let costs = program.net(&names, pair)?;
        let counts: Vec<_> = costs.iter().map(|cost| cost.instructions * events).collect();
        for (heap, count) in names.iter().zip(&counts) {
            csv.push(&[pair, heap, "instructions", &count.to_string()])?;
        }
        columns.push(counts);
    }
    let title = "Instructions of an allocation and a free";
    let mut table = Table::new(title, PAIRS.to_vec(), 0).without_means();
    for (row, heap) in names.iter().enumerate() {
        table.push(heap, columns.iter().map(|column| Some(column[row])).collect());
    }
    Ok(table)
}

/// Measures time and memory on traces.
fn traces(heaps: &[&Entry], args: &LevelsArgs, csv: &mut Csv) -> Result<Table> {
    let names: Vec<_> = heaps.iter().map(|heap| heap.name).collect();
    let mut times = Table::new("nanoseconds per event", names.clone(), 2);
    let mut arenas = Table::new("smallest arena, in bytes", names.clone(), 0);
    let traces = if args.only.is_empty() { trace::names()? } else { args.only.clone() };
    for trace in &traces {
        let script = trace::load(trace)?;
        let timings = timing::run(&script, heaps, Plan { rounds: args.rounds, limit: LIMIT });
        times.push(trace, (0..heaps.len()).map(|heap| timings.median(heap)).collect());
        let mut memory = memory::for_search(&script);
        let mut smallest = |heap: &&Entry| memory::smallest(heap, &script, &mut memory, LIMIT).ok();
        arenas.push(
            trace,
            heaps.iter().map(|heap| smallest(heap).map(|bytes| bytes as f64)).collect(),
        );
    }
    for table in [&times, &arenas] {
        for (trace, cells) in table.rows() {
            for (heap, cell) in names.iter().zip(cells) {
                let value = cell.map_or_else(String::new, |cell| cell.to_string());
                csv.push(&[trace, heap, table.title(), &value])?;
            }
        }
    }
    let title = format!(
        "Multiples of talloc's time and smallest arena, geometric means of {} traces",
        traces.len()
    );
    let mut table = Table::new(title, vec!["time", "memory"], 3).without_means();
    let (times, arenas) = (ratios(&times), ratios(&arenas));
    for (heap, (time, arena)) in names.iter().zip(times.into_iter().zip(arenas)) {
        table.push(heap, vec![time, arena]);
    }
    Ok(table)
}

/// The means of the columns, as multiples of the first.
fn ratios(table: &Table) -> Vec<Option<f64>> {
    let means = table.means();
    means.iter().map(|mean| Some((*mean)? / means[0]?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_levels_are_there() {
        assert_eq!(heaps().unwrap().len(), Measures::EACH.len() + 4);
    }
}
