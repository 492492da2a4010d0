//! `slices`: random actions in slices of time.

use crate::cli::SlicesArgs;
use anyhow::{Context, Result};
use std::time::Duration;
use talloc_benches::{
    heap::Memory,
    plot::Style,
    publish::publish,
    registry::{self, Entry},
    report::{Csv, Table},
    slices::Slice,
    timing, workload,
};

pub fn slices(args: &SlicesArgs) -> Result<()> {
    let heaps = registry::choose(&args.common.heaps)?;
    let names: Vec<_> = heaps.iter().map(|heap| heap.name).collect();
    let mut csv =
        Csv::create("slices", &["realloc", "max_size", "heap", "round", "millions_per_second"])?;
    let mut tables = Vec::new();
    for (realloc, with) in [(false, "without"), (true, "with")] {
        let title = format!(
            "Random actions {with} realloc, by largest size: millions per second, workload included"
        );
        let mut table = Table::new(title, names.clone(), 1).more_is_better();
        for &max_size in &args.sizes {
            let time = Duration::from_millis(args.slice);
            let slice = Slice { max_size, realloc, time };
            let rates = rates(args, slice, &heaps, &mut csv)?;
            table.push(
                &max_size.to_string(),
                rates.iter().map(|rates| timing::median(rates)).collect(),
            );
        }
        tables.push(table);
    }
    csv.finish()?;
    let style = Style { joined: true, logarithmic: false };
    publish("slices", &tables, args.common.plot.then_some(style))
}

/// Each heap's rates. A heap that has no room has none.
fn rates(
    args: &SlicesArgs,
    mut slice: Slice,
    heaps: &[&'static Entry],
    csv: &mut Csv,
) -> Result<Vec<Vec<f64>>> {
    let mut memory = Memory::new(slice.ample());
    let mut rates: Vec<_> = heaps.iter().map(|_| Vec::new()).collect();
    for round in 0..args.common.rounds() {
        for (heap, rates) in heaps.iter().zip(&mut rates) {
            // SAFETY: the memory is borrowed for the call.
            let rate = unsafe { workload::run(heap, &mut slice, memory.first(usize::MAX)) };
            match rate.context(heap.name)? {
                Ok(rate) => {
                    csv.push(&[
                        &slice.realloc.to_string(),
                        &slice.max_size.to_string(),
                        heap.name,
                        &round.to_string(),
                        &rate.to_string(),
                    ])?;
                    rates.push(rate);
                }
                Err(stop) => eprintln!("{} {slice:?}: {stop}", heap.name),
            }
            if !args.common.unchecked && round == 0 {
                // SAFETY: the memory is borrowed for the call.
                let _rate = unsafe { workload::check(heap, &mut slice, memory.first(usize::MAX)) };
            }
        }
    }
    Ok(rates)
}
