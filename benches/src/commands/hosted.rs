//! `hosted`: allocators of hosted programs on traces, each in a separate process.

use crate::cli::HostedArgs;
use anyhow::Result;
use std::{env, path::Path};
use talloc_benches::{
    hosted::{
        aging::{Age, Processes, Round, first_peak, middle, net},
        allocators, child,
    },
    plot::Style,
    publish::publish,
    registry::NULL,
    report::{Csv, Table},
    trace,
};

pub fn hosted(args: &HostedArgs) -> Result<()> {
    let allocators = allocators::choose(&args.heaps)?;
    let names: Vec<_> = allocators.iter().map(|allocator| allocator.name).collect();
    let workloads = if args.only.is_empty() { trace::names()? } else { args.only.clone() };
    let program = env::current_exe()?;
    let mut times = Age::ALL
        .map(|age| Table::new(format!("Nanoseconds per event, {}", age.name()), names.clone(), 2));
    let peak = |when| Table::new(format!("MiB resident at the peak of {when}"), names.clone(), 2);
    let mut peaks = [peak("the first round"), peak("all rounds")];
    let columns = [
        "workload",
        "allocator",
        "process",
        "round",
        "wall_ns_per_event_gross",
        "ns_per_event_gross",
        "peak_bytes",
    ];
    let mut csv = Csv::create("hosted", &columns)?;
    for workload in &workloads {
        let all = measure(args, workload, &[&[NULL.name], &names[..]].concat(), &program)?;
        for (name, processes) in [NULL.name].iter().chain(&names).zip(&all) {
            write(&mut csv, workload, name, processes)?;
        }
        let (null, all) = all.split_first().expect("the null heap is the first one");
        for (age, table) in Age::ALL.into_iter().zip(&mut times) {
            let cells = all.iter().map(|processes| net(processes, null, age));
            table.push(workload, cells.collect());
        }
        let last = |processes| middle(processes, |rounds| rounds.last().map(|round| round.peak));
        let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
        let first = all.iter().map(|processes| first_peak(processes).map(mebibytes));
        peaks[0].push(workload, first.collect());
        peaks[1].push(workload, all.iter().map(|of| last(of).map(mebibytes)).collect());
    }
    csv.finish()?;
    let style = args.plot.then_some(Style { joined: false, logarithmic: true });
    publish("hosted", &times, style)?;
    publish("hosted-memory", &peaks, style)
}

/// The processes of each allocator, in interleaved rounds, so that a change of the machine's speed affects all allocators.
fn measure(
    args: &HostedArgs,
    workload: &str,
    names: &[&str],
    program: &Path,
) -> Result<Vec<Processes>> {
    let mut all = vec![Vec::new(); names.len()];
    for _ in 0..if args.quick { 3 } else { args.processes } {
        for (name, processes) in names.iter().zip(&mut all) {
            let arguments = [
                "age",
                &format!("--allocator={name}"),
                &format!("--workload={workload}"),
                &format!("--rounds={}", args.rounds),
            ];
            let records = child::ask(program, &arguments.map(str::to_owned))?;
            processes.push(records.into_iter().map(Round::from_record).collect());
        }
    }
    Ok(all)
}

fn write(csv: &mut Csv, workload: &str, name: &str, processes: &Processes) -> Result<()> {
    for (process, rounds) in processes.iter().enumerate() {
        for (number, round) in rounds.iter().enumerate() {
            csv.push(&[
                workload,
                name,
                &process.to_string(),
                &number.to_string(),
                &round.wall.to_string(),
                &round.processor.to_string(),
                &round.peak.to_string(),
            ])?;
        }
    }
    Ok(())
}
