//! `latency`: the distribution of the time of single calls.

use crate::cli::LatencyArgs;
use anyhow::{Context, Result};
use talloc_benches::{
    heap::Memory,
    latency::{ARENA, Calls, Latency, QUANTILES, quantile},
    plot::Style,
    publish::publish,
    registry,
    report::{Csv, Table},
    ticks, workload,
};

/// A table: its title and its calls.
type Kind = (&'static str, fn(&Calls) -> Vec<u32>);

const KINDS: [Kind; 4] = [
    ("all allocations", |calls| [&calls.before[..], &calls.pressed].concat()),
    ("allocations before the first failure", |calls| calls.before.clone()),
    ("allocations under pressure, failed ones among them", |calls| calls.pressed.clone()),
    ("frees", |calls| calls.frees.clone()),
];

pub fn latency(args: &LatencyArgs) -> Result<()> {
    let heaps = registry::choose(&args.common.heaps)?;
    let mut latency = Latency { actions: args.common.shorten(args.actions) };
    let mut memory = Memory::new(ARENA);
    let mut rounds: Vec<Vec<Calls>> = heaps.iter().map(|_| Vec::new()).collect();
    for round in 0..args.common.rounds() {
        for (heap, rounds) in heaps.iter().zip(&mut rounds) {
            // SAFETY: the memory is borrowed for the call.
            let calls = unsafe { workload::run(heap, &mut latency, memory.first(usize::MAX)) };
            rounds.push(calls.context(heap.name)?);
            if !args.common.unchecked && round == 0 {
                // SAFETY: the memory is borrowed for the call.
                unsafe { workload::check(heap, &mut latency, memory.first(usize::MAX)) }
                    .context(heap.name)?;
            }
        }
    }
    let calls: Vec<_> = rounds.iter().map(|rounds| medians(rounds)).collect();
    let names: Vec<_> = heaps.iter().map(|heap| heap.name).collect();
    let mut csv = Csv::create("latency", &["calls", "quantile", "heap", "ticks"])?;
    let mut tables = Vec::new();
    for (kind, pick) in KINDS {
        tables.push(table(kind, &names, calls.iter().map(pick).collect(), &mut csv)?);
    }
    csv.finish()?;
    let style = Style { joined: true, logarithmic: true };
    publish("latency", &tables, args.common.plot.then_some(style))
}

/// Each call's median over the rounds, which all make the same calls.
fn medians(rounds: &[Calls]) -> Calls {
    let median = |calls: fn(&Calls) -> &Vec<u32>| {
        ticks::medians(&rounds.iter().map(|round| calls(round).clone()).collect::<Vec<_>>())
    };
    Calls {
        before: median(|calls| &calls.before),
        pressed: median(|calls| &calls.pressed),
        frees: median(|calls| &calls.frees),
    }
}

fn table(
    kind: &str,
    heaps: &[&'static str],
    mut calls: Vec<Vec<u32>>,
    csv: &mut Csv,
) -> Result<Table> {
    calls.iter_mut().for_each(|calls| calls.sort_unstable());
    let tick = ticks::nanoseconds_per_tick();
    let title = format!("Ticks of {kind}; a tick is {tick:.3} ns");
    let mut table = Table::new(title, heaps.to_vec(), 0).without_means();
    for (name, part) in QUANTILES {
        let cells: Vec<_> =
            calls.iter().map(|calls| quantile(calls, part).map(f64::from)).collect();
        for (heap, cell) in heaps.iter().zip(&cells) {
            csv.push(&[kind, name, heap, &cell.map_or_else(String::new, |cell| cell.to_string())])?;
        }
        table.push(name, cells);
    }
    Ok(table)
}
