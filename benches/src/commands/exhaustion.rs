//! `exhaustion`: heap efficiency.

use crate::cli::ExhaustionArgs;
use anyhow::{Context, Result};
use std::time::Duration;
use talloc_benches::{
    exhaustion::{CLASSES, Class, Fill},
    heap::Memory,
    plot::Style,
    publish::publish,
    registry::{self, Entry},
    report::{Csv, Table},
    workload,
};

pub fn exhaustion(args: &ExhaustionArgs) -> Result<()> {
    let heaps = registry::choose(&args.common.heaps)?;
    let title =
        "Heap efficiency: live bytes at failure in percent of the arena, mean over failures";
    let mut table =
        Table::new(title, heaps.iter().map(|heap| heap.name).collect(), 1).more_is_better();
    let mut csv = Csv::create("exhaustion", &["class", "heap", "failure", "efficiency"])?;
    for class in &CLASSES {
        let mut memory = Memory::new(class.arena);
        let mut cells = Vec::new();
        for heap in &heaps {
            let efficiencies = efficiencies(args, heap, class, &mut memory)?;
            for (failure, efficiency) in efficiencies.iter().enumerate() {
                csv.push(&[class.name, heap.name, &failure.to_string(), &efficiency.to_string()])?;
            }
            let sum: f64 = efficiencies.iter().sum();
            cells.push(Some(sum / efficiencies.len() as f64 * 100.0));
        }
        table.push(class.name, cells);
    }
    csv.finish()?;
    let style = Style { joined: false, logarithmic: false };
    publish("exhaustion", &[table], args.common.plot.then_some(style))
}

/// Live bytes at each failure, divided by the bytes of the arena and of the heap's memory outside of it.
fn efficiencies(
    args: &ExhaustionArgs,
    heap: &Entry,
    class: &Class,
    memory: &mut Memory,
) -> Result<Vec<f64>> {
    let failures = args.common.shorten(args.failures).max(1);
    let mut fill = Fill { class, failures, limit: args.common.limit() };
    let context = || format!("{} {}", heap.name, class.name);
    // SAFETY: the memory is borrowed for the call.
    let full = unsafe { workload::run(heap, &mut fill, memory.first(usize::MAX)) };
    let full = full.with_context(context)?;
    if !args.common.unchecked {
        let mut fill = Fill { class, failures: 2, limit: Duration::MAX };
        // SAFETY: the memory is borrowed for the call.
        unsafe { workload::check(heap, &mut fill, memory.first(usize::MAX)) }
            .with_context(context)?;
    }
    let whole = (class.arena + heap.control_bytes) as f64;
    Ok(full.into_iter().map(|live| live as f64 / whole).collect())
}
