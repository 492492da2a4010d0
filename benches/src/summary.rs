//! A summary of the hosted allocators: one table, from the raw results of the last runs.

use crate::{
    hosted::{
        aging::{Age, Processes, Round, first_peak, net},
        allocators,
    },
    registry::NULL,
    report::{self, Table},
    threads::work::Work,
    timing::median,
};
use anyhow::{Context, Result};
use std::{collections::BTreeMap, fs};

/// The most threads of `threads`.
const MAX_THREADS: usize = 8;

/// The origin of the numbers.
const ORIGIN: &str =
    "`cargo xtask bench report`, from the results of `hosted`, `threads` and `give-back`";

type Names = Vec<&'static str>;

/// Makes the table, in which all numbers are divided by those of `SystemTalloc`, and writes it to `summary.md`.
///
/// # Errors
///
/// If a file with raw results cannot be read, or has another format.
pub fn save() -> Result<()> {
    let names: Names = allocators::choose(&[])?.iter().map(|allocator| allocator.name).collect();
    let hosted = Hosted::read()?;
    let time = |age| hosted.table(&names, |processes, null| net(processes, null, age));
    let peak = hosted.table(&names, |processes, _| first_peak(processes));
    let together = format!("the same with {MAX_THREADS} threads");
    let rows = [
        ("time of real programs, cold", time(Age::Cold)),
        ("the same, aged", time(Age::Aged)),
        ("their peak of memory", peak),
        ("time of work with 1 thread", threads(&names, 1)?),
        (&together, threads(&names, MAX_THREADS)?),
        ("memory a second after most is freed", given_back(&names)?),
    ];
    let mut table =
        Table::new("Each number is divided by that of SystemTalloc: less is better", names, 2)
            .without_means();
    for (name, numbers) in rows {
        table.push(name, by_the_first(&numbers.means()));
    }
    let path = report::folder().join("summary.md");
    let text = format!("{ORIGIN}\n\n{}", table.markdown());
    fs::write(&path, text).with_context(|| path.display().to_string())
}

/// Divides all numbers by the first, which is talloc's.
fn by_the_first(numbers: &[Option<f64>]) -> Vec<Option<f64>> {
    let ours = numbers.first().copied().flatten();
    numbers.iter().map(|number| Some((*number)? / ours?)).collect()
}

/// The results of `hosted`, by workload and allocator.
struct Hosted(BTreeMap<String, BTreeMap<String, Processes>>);

impl Hosted {
    fn read() -> Result<Self> {
        let mut all = Self(BTreeMap::new());
        for [workload, allocator, process, _, wall, processor, peak] in records("hosted")? {
            let round = Round::from_record([number(&wall)?, number(&processor)?, number(&peak)?]);
            let processes = all.0.entry(workload).or_default().entry(allocator).or_default();
            let process: usize = process.parse().context("a process without a number")?;
            processes.resize(processes.len().max(process + 1), Vec::new());
            processes[process].push(round);
        }
        Ok(all)
    }

    /// A row for each workload. `cell` gets the processes of the allocator, and of the replay itself.
    fn table(&self, names: &Names, cell: impl Fn(&Processes, &Processes) -> Option<f64>) -> Table {
        let mut table = Table::new("hosted", names.clone(), 2);
        for (workload, allocators) in &self.0 {
            let null = allocators.get(NULL.name);
            let cells = names.iter().map(|name| cell(allocators.get(*name)?, null?));
            table.push(workload, cells.collect());
        }
        table
    }
}

/// Seconds per call with `number_of_threads` threads: a row for each kind of work and sizes.
fn threads(names: &Names, number_of_threads: usize) -> Result<Table> {
    let mut table = Table::new("threads", names.clone(), 2);
    for work in Work::ALL {
        let mut runs: BTreeMap<String, BTreeMap<String, Vec<f64>>> = BTreeMap::new();
        for [sizes, threads, allocator, _, calls, seconds, _, _] in
            records(&format!("threads-{}", work.name()))?
        {
            if threads == number_of_threads.to_string() {
                let seconds = number(&seconds)? / number(&calls)?;
                runs.entry(sizes).or_default().entry(allocator).or_default().push(seconds);
            }
        }
        for (sizes, runs) in runs {
            let cells = names.iter().map(|name| median(runs.get(*name)?));
            table.push(&format!("{} {sizes}", work.name()), cells.collect());
        }
    }
    Ok(table)
}

/// Resident bytes a second after most blocks are freed.
fn given_back(names: &Names) -> Result<Table> {
    let mut later: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for [allocator, _, _, _, _, bytes, _, _, _, _] in records("give-back")? {
        later.entry(allocator).or_default().push(number(&bytes)?);
    }
    let mut table = Table::new("give-back", names.clone(), 2);
    table.push("later", names.iter().map(|name| median(later.get(*name)?)).collect());
    Ok(table)
}

/// The lines of a file with raw results.
fn records<const N: usize>(file: &str) -> Result<Vec<[String; N]>> {
    let path = report::folder().join(format!("{file}.csv"));
    let mut reader = csv::Reader::from_path(&path).with_context(|| path.display().to_string())?;
    let cells = |record: csv::Result<csv::StringRecord>| {
        let cells: Vec<_> = record?.iter().map(str::to_owned).collect();
        cells.try_into().ok().with_context(|| format!("{}: not {N} columns", path.display()))
    };
    reader.records().map(cells).collect()
}

fn number(cell: &str) -> Result<f64> {
    cell.parse().with_context(|| format!("{cell:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_that_are_kept_can_be_summed_up() {
        let names = vec!["SystemTalloc", "system", "nobody"];
        let hosted = Hosted::read().unwrap();
        for table in [
            hosted.table(&names, |processes, null| net(processes, null, Age::Cold)),
            hosted.table(&names, |processes, _| first_peak(processes)),
            threads(&names, 1).unwrap(),
            threads(&names, MAX_THREADS).unwrap(),
            given_back(&names).unwrap(),
        ] {
            let means = table.means();
            assert!(means[..2].iter().all(|mean| mean.is_some_and(|mean| mean > 0.0)), "{means:?}");
            assert_eq!(means[2], None);
        }
        assert!(threads(&names, MAX_THREADS + 1).unwrap().rows().is_empty());
    }

    #[test]
    fn our_own_number_is_one() {
        let numbers = [Some(2.0), Some(3.0), None];
        assert_eq!(by_the_first(&numbers), [Some(1.0), Some(1.5), None]);
        assert_eq!(by_the_first(&[None, Some(3.0)]), [None, None]);
    }
}
