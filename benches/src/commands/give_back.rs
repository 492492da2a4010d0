//! `give-back`: memory that goes back to the operating system after most of it is freed.

use crate::cli::GiveBackArgs;
use anyhow::{Context, Result};
use std::{env, path::Path};
use talloc_benches::{
    hosted::{allocators, child, give_back::GivenBack},
    plot::Style,
    publish::publish,
    report::{Csv, Table},
    timing::median,
};

/// A row of a table: its name, its number, and the unit of the number.
type Row = (&'static str, fn(&GivenBack) -> f64, f64);

const MEBIBYTE: f64 = (1 << 20) as f64;

const MEMORY: [Row; 4] = [
    ("all allocated", |given| given.full, MEBIBYTE),
    ("most are freed", |given| given.freed, MEBIBYTE),
    ("a second later", |given| given.later, MEBIBYTE),
    ("after a trim", |given| given.trimmed, MEBIBYTE),
];

/// The longest call of a process. The shortest of these times counts, because all processes make the same calls, and the
/// system may interrupt a call in some of them.
const LONGEST: Row = ("longest call, us", |given| given.longest, 1e3);

const TIMES: [Row; 2] =
    [("a free, ns", |given| given.free, 1.0), ("the trim, ms", |given| given.trim, 1e6)];

pub fn give_back(args: &GiveBackArgs) -> Result<()> {
    let allocators = allocators::choose(&args.heaps)?;
    let names: Vec<_> = allocators.iter().map(|allocator| allocator.name).collect();
    let program = env::current_exe()?;
    let all = measure(args, &names, &program)?;
    write(&names, &all)?;
    let live = all.iter().flatten().next().map_or(0.0, |given| given.live) / MEBIBYTE;
    let title = format!(
        "MiB resident, of {} MiB of blocks, {live:.1} MiB of which are kept",
        args.mebibytes
    );
    let mut memory = Table::new(title, names.clone(), 1).without_means();
    for row in &MEMORY {
        memory.push(row.0, all.iter().map(|given| cell(row, given, median)).collect());
    }
    let mut times = Table::new("Time of giving back", names, 1).without_means();
    for row in &TIMES {
        times.push(row.0, all.iter().map(|given| cell(row, given, median)).collect());
    }
    times.push(LONGEST.0, all.iter().map(|given| cell(&LONGEST, given, least)).collect());
    let style = args.plot.then_some(Style { joined: true, logarithmic: false });
    publish("give-back", &[memory], style)?;
    publish("give-back-time", &[times], None)
}

/// A table's cell; empty if one of the allocator's processes has no such number.
fn cell(row: &Row, given: &[GivenBack], pick: fn(&[f64]) -> Option<f64>) -> Option<f64> {
    let numbers: Vec<_> = given.iter().map(row.1).collect();
    let number = if numbers.iter().any(|number| number.is_nan()) { None } else { pick(&numbers) };
    Some(number? / row.2)
}

fn least(numbers: &[f64]) -> Option<f64> {
    numbers.iter().copied().min_by(f64::total_cmp)
}

/// The results of each process of each allocator, in interleaved rounds.
fn measure(args: &GiveBackArgs, names: &[&str], program: &Path) -> Result<Vec<Vec<GivenBack>>> {
    let mut all = vec![Vec::new(); names.len()];
    for _ in 0..args.processes {
        for (name, given) in names.iter().zip(&mut all) {
            let arguments = [
                "give-back",
                &format!("--allocator={name}"),
                &format!("--bytes={}", args.mebibytes << 20),
            ];
            let records = child::ask(program, &arguments.map(str::to_owned))?;
            given.push(GivenBack::from_record(*records.first().context("no answer")?));
        }
    }
    Ok(all)
}

fn write(names: &[&str], all: &[Vec<GivenBack>]) -> Result<()> {
    let columns = [
        "allocator",
        "process",
        "live_bytes",
        "full_bytes",
        "freed_bytes",
        "later_bytes",
        "trimmed_bytes",
        "ns_per_free",
        "ns_of_longest_call",
        "ns_of_trim",
    ];
    let mut csv = Csv::create("give-back", &columns)?;
    for (name, given) in names.iter().zip(all) {
        for (process, given) in given.iter().enumerate() {
            let numbers = given.record().map(|number| number.to_string());
            let process = process.to_string();
            let cells = [*name, &process].into_iter().chain(numbers.iter().map(String::as_str));
            csv.push(&cells.collect::<Vec<_>>())?;
        }
    }
    csv.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_empty_without_a_number_in_each_process() {
        let given = |trim| GivenBack::from_record([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, trim]);
        let row = &TIMES[1];
        assert_eq!(cell(row, &[given(3e6), given(1e6), given(2e6)], median), Some(2.0));
        assert_eq!(cell(row, &[given(3e6), given(1e6)], least), Some(1.0));
        assert_eq!(cell(row, &[given(3e6), given(f64::NAN)], median), None);
        assert_eq!(cell(row, &[], median), None);
    }
}
