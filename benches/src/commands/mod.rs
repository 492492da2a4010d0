//! The commands: they choose workloads and heaps, measure, and report.

mod arenas;
mod child;
mod exhaustion;
mod give_back;
mod hosted;
mod latency;
mod levels;
mod slices;
mod steps;
mod worst;

pub use arenas::{arenas, many};
pub use child::{Child, child};
pub use exhaustion::exhaustion;
pub use give_back::give_back;
pub use hosted::hosted;
pub use latency::latency;
pub use levels::levels;
pub use slices::slices;
pub use steps::{request, steps};
pub use worst::worst;

use crate::cli::{Common, CountArgs, MemoryArgs, RandomArgs, ScriptArgs, Traces};
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use talloc_benches::{
    heap::Memory,
    memory,
    pairs::Pair,
    plot::Style,
    publish::publish,
    random::{MAX_SIZES, Mix, Random},
    registry::{self, Entry},
    replay::{Stop, ample},
    report::{self, Csv, Table},
    script::Script,
    timing, trace,
};
use talloc_count::Program;

pub fn traces(args: &Traces) -> Result<()> {
    let names = if args.only.is_empty() { trace::names()? } else { args.only.clone() };
    let scripts: Vec<_> = names.iter().map(|name| trace::load(name)).collect::<Result<_>>()?;
    let style = Style { joined: false, logarithmic: true };
    let title = "Traces: nanoseconds per event";
    time("traces", title, &scripts, &args.common, args.locked, style)?;
    if args.memory {
        memory_table("traces-memory", &scripts, &args.common)?;
    }
    Ok(())
}

pub fn random(args: &RandomArgs) -> Result<()> {
    let mixes = if args.mixes.is_empty() { Mix::ALL.to_vec() } else { args.mixes.clone() };
    let ops = args.common.shorten(args.ops);
    for mix in mixes {
        let scripts: Vec<_> =
            args.sizes.iter().map(|&size| Random::new(mix, size).script(ops)).collect();
        let title = format!("Random {mix}, by largest size: nanoseconds per operation");
        let style = Style { joined: true, logarithmic: true };
        time(&format!("random-{mix}"), &title, &scripts, &args.common, args.locked, style)?;
    }
    Ok(())
}

pub fn memory(args: &MemoryArgs) -> Result<()> {
    let names = if args.only.is_empty() {
        let random = Mix::ALL.map(|mix| MAX_SIZES.map(|size| Random::new(mix, size).to_string()));
        trace::names()?.into_iter().chain(random.into_iter().flatten()).collect()
    } else {
        args.only.clone()
    };
    let ops = args.common.shorten(args.ops);
    let scripts: Vec<_> = names.iter().map(|name| workload(name, ops)).collect::<Result<_>>()?;
    memory_table("memory", &scripts, &args.common)
}

pub fn count(args: &CountArgs) -> Result<()> {
    let names: Vec<_> = registry::choose(&args.heaps)?.iter().map(|heap| heap.name).collect();
    let mut instructions = Table::new("Instructions per operation", names.clone(), 1);
    let mut mispredictions = Table::new("Mispredicted branches per operation", names.clone(), 2);
    let mut csv = Csv::create(
        "count",
        &["workload", "heap", "instructions_per_op", "mispredictions_per_op"],
    )?;
    let program = Program::current()?;
    for workload in &args.only {
        let costs = program.net(&names, workload)?;
        for (heap, cost) in names.iter().zip(&costs) {
            csv.push(&[
                workload,
                heap,
                &cost.instructions.to_string(),
                &cost.mispredictions.to_string(),
            ])?;
        }
        instructions.push(workload, costs.iter().map(|cost| Some(cost.instructions)).collect());
        mispredictions.push(workload, costs.iter().map(|cost| Some(cost.mispredictions)).collect());
    }
    println!("{}\n{}", instructions.markdown(), mispredictions.markdown());
    csv.finish()?;
    report::save("count", &[instructions, mispredictions])
}

pub fn script(args: &ScriptArgs) -> Result<()> {
    /// The longest script, because valgrind is slow.
    const LONGEST: usize = 500_000;
    const UNLIMITED: Duration = Duration::from_secs(1 << 32);
    let heap = registry::find(&args.heap)?;
    let script = workload(&args.workload, LONGEST)?;
    let events = script.events().len();
    ensure!(args.ops <= events, "{} has {events} events", script.name());
    let mut memory = Memory::new(ample(&script));
    // SAFETY: the memory is borrowed for the call.
    unsafe { heap.replay(&script, args.ops, memory.first(usize::MAX), UNLIMITED) }?;
    Ok(())
}

/// The workload of this name: a trace, or pairs or a random workload with `ops` operations.
fn workload(name: &str, ops: usize) -> Result<Script> {
    if trace::names()?.iter().any(|trace| trace == name) {
        return trace::load(name);
    }
    if let Ok(pair) = name.parse::<Pair>() {
        return Ok(pair.script(ops));
    }
    let random: Random =
        name.parse().with_context(|| format!("neither a trace nor a random workload: {name}"))?;
    Ok(random.script(ops))
}

/// Times the scripts, prints the table, and writes every round to `results/FILE.csv`.
fn time(
    file: &str,
    title: &str,
    scripts: &[Script],
    common: &Common,
    locked: bool,
    style: Style,
) -> Result<()> {
    let mut heaps = registry::choose(&common.heaps)?;
    let (mut file, mut title) = (file.to_owned(), title.to_owned());
    if locked {
        heaps.iter_mut().for_each(|heap| *heap = registry::locked(heap));
        file += "-locked";
        title += ", each heap behind a lock";
    }
    let mut table = Table::new(title, heaps.iter().map(|heap| heap.name).collect(), 2);
    let mut csv = Csv::create(
        &file,
        &["workload", "heap", "round", "ns_per_event_gross", "ns_per_event_null"],
    )?;
    for script in scripts {
        let timings = timing::run(script, &heaps, common.plan());
        let cell = |heap| if common.best { timings.best(heap) } else { timings.median(heap) };
        table.push(script.name(), (0..heaps.len()).map(cell).collect());
        for (heap, timing) in heaps.iter().zip(&timings.heaps) {
            for (round, (gross, null)) in timing.rounds.iter().zip(&timings.null.rounds).enumerate()
            {
                csv.push(&[
                    script.name(),
                    heap.name,
                    &round.to_string(),
                    &gross.to_string(),
                    &null.to_string(),
                ])?;
            }
            note(script, heap, timing.stop);
            if !common.unchecked && timing.stop.is_none() {
                check(script, heap)?;
            }
        }
    }
    csv.finish()?;
    publish(&file, &[table], common.plot.then_some(style))
}

/// Searches for the smallest arenas, prints the table, and writes it to `results/FILE.csv`.
fn memory_table(file: &str, scripts: &[Script], common: &Common) -> Result<()> {
    let heaps = registry::choose(&common.heaps)?;
    let title = "Memory: smallest arena that completes / peak live bytes";
    let mut table = Table::new(title, heaps.iter().map(|heap| heap.name).collect(), 3);
    let mut csv =
        Csv::create(file, &["workload", "heap", "peak_bytes", "arena_bytes", "control_bytes"])?;
    for script in scripts {
        let mut memory = memory::for_search(script);
        let mut cells = Vec::new();
        for heap in &heaps {
            let arena = memory::smallest(heap, script, &mut memory, common.limit());
            if let Ok(arena) = arena {
                let numbers = [script.peak(), arena, heap.control_bytes as u64]
                    .map(|number| number.to_string());
                csv.push(&[script.name(), heap.name, &numbers[0], &numbers[1], &numbers[2]])?;
            }
            cells.push(arena.ok().map(|bytes| bytes as f64 / script.peak() as f64));
            note(script, heap, arena.err());
        }
        table.push(script.name(), cells);
    }
    csv.finish()?;
    let style = Style { joined: false, logarithmic: false };
    publish(file, &[table], common.plot.then_some(style))
}

/// Prints why a cell is empty.
fn note(script: &Script, heap: &Entry, stop: Option<Stop>) {
    if let Some(stop) = stop {
        eprintln!("{} {}: {stop}", heap.name, script.name());
    }
}

/// Validates the heap's blocks.
fn check(script: &Script, heap: &Entry) -> Result<()> {
    let mut memory = Memory::new(ample(script));
    // SAFETY: the memory is borrowed for the call.
    unsafe { heap.check(script, memory.first(usize::MAX)) }
}
