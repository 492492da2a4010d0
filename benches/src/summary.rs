//! The hosted allocators at a glance: one table, of the raw results of the last runs.

use crate::{
    hosted::{
        aging::{Age, Round},
        allocators,
    },
    registry::NULL,
    report::{self, Table},
    timing::median,
};
use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Threads of the tables' last row of each kind of work.
const MOST_THREADS: &str = "8";

/// Where the numbers come from.
const ORIGIN: &str =
    "`cargo xtask bench report`, from the results of `hosted`, `threads` and `give-back`";

/// What is compared of each allocator: less of it is better.
type Numbers = BTreeMap<String, f64>;

/// Makes the table, in which each allocator's numbers are divided by ours, and keeps it as `summary.md`.
///
/// # Errors
///
/// If a file with raw results cannot be read, or is not as this program writes it.
pub fn save() -> Result<()> {
    let names: Vec<_> = allocators::choose(&[])?.iter().map(|allocator| allocator.name).collect();
    let mut table =
        Table::new("Each number is divided by that of SystemTalloc: less is better", names, 2)
            .without_means();
    let hosted = Hosted::read()?;
    let alone = threads("1")?;
    let together = threads(MOST_THREADS)?;
    push(&mut table, "time of real programs, cold", &hosted.times(Age::Cold));
    push(&mut table, "the same, aged", &hosted.times(Age::Aged));
    push(&mut table, "their peak of memory", &hosted.peaks());
    push(&mut table, "time of work with 1 thread", &alone);
    push(&mut table, &format!("the same with {MOST_THREADS} threads"), &together);
    push(&mut table, "memory a second after most is freed", &given_back()?);
    let path = report::folder().join("summary.md");
    let text = format!("{ORIGIN}\n\n{}", table.markdown());
    fs::write(&path, text).with_context(|| path.display().to_string())
}

/// Adds a row: all numbers by ours.
fn push(table: &mut Table, row: &str, numbers: &Numbers) {
    let ours = table.heaps().first().and_then(|name| numbers.get(*name)).copied();
    let cells = table.heaps().iter().map(|name| Some(numbers.get(*name)? / ours?)).collect();
    table.push(row, cells);
}

/// The results of `hosted`: by workload and allocator, the rounds of each process.
struct Hosted(BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<Round>>>>);

impl Hosted {
    fn read() -> Result<Self> {
        let mut all = Self(BTreeMap::new());
        for [workload, allocator, process, _, wall, processor, peak] in records("hosted")? {
            let round = Round::from_record([number(&wall)?, number(&processor)?, number(&peak)?]);
            let allocators = all.0.entry(workload).or_default();
            let processes = allocators.entry(allocator).or_default();
            processes.entry(process).or_default().push(round);
        }
        Ok(all)
    }

    /// Nanoseconds per event without the replay's own, in the geometric mean over the workloads.
    fn times(&self, age: Age) -> Numbers {
        self.means(|processes, null| {
            let of = |processes, age: Age| middle(processes, |rounds| age.of(rounds));
            // The replay itself does not age.
            Some(of(processes, age)? - of(null, Age::Aged)?)
        })
    }

    /// Bytes at the peak of the first round.
    fn peaks(&self) -> Numbers {
        self.means(|processes, _| {
            middle(processes, |rounds| rounds.first().map(|round| round.peak))
        })
    }

    fn means(&self, cell: impl Fn(&Processes, &Processes) -> Option<f64>) -> Numbers {
        let mut cells: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for allocators in self.0.values() {
            let Some(null) = allocators.get(NULL.name) else { continue };
            for (name, processes) in allocators {
                if let Some(cell) = cell(processes, null) {
                    cells.entry(name.clone()).or_default().push(cell);
                }
            }
        }
        geometric_means(&cells, self.0.len())
    }
}

/// The rounds of each process.
type Processes = BTreeMap<String, Vec<Round>>;

/// The median over the processes.
fn middle(processes: &Processes, of: impl Fn(&[Round]) -> Option<f64>) -> Option<f64> {
    let numbers: Option<Vec<_>> = processes.values().map(|rounds| of(rounds)).collect();
    median(&numbers?)
}

/// Seconds per call with so many threads, in the geometric mean over all kinds of work and sizes.
fn threads(number_of_threads: &str) -> Result<Numbers> {
    let mut runs: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    let works = ["random", "hand-off", "churn", "starts"];
    let mut rows = BTreeSet::new();
    for work in works {
        for [sizes, threads, allocator, _, calls, seconds, _, _] in
            records(&format!("threads-{work}"))?
        {
            if threads == number_of_threads {
                let row = format!("{work} {sizes}");
                rows.insert(row.clone());
                let seconds = number(&seconds)? / number(&calls)?;
                runs.entry((row, allocator)).or_default().push(seconds);
            }
        }
    }
    let mut cells: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for ((_, allocator), seconds) in &runs {
        cells.entry(allocator.clone()).or_default().extend(median(seconds));
    }
    Ok(geometric_means(&cells, rows.len()))
}

/// Resident bytes a second after most blocks are freed.
fn given_back() -> Result<Numbers> {
    let mut later: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for [allocator, _, _, _, _, bytes, _, _, _, _] in records("give-back")? {
        later.entry(allocator).or_default().push(number(&bytes)?);
    }
    Ok(later.into_iter().filter_map(|(name, bytes)| Some((name, median(&bytes)?))).collect())
}

/// The geometric mean of each allocator that has all of the cells.
fn geometric_means(cells: &BTreeMap<String, Vec<f64>>, complete: usize) -> Numbers {
    let mean = |cells: &[f64]| {
        let logs: f64 = cells.iter().map(|cell| cell.ln()).sum();
        (logs / cells.len() as f64).exp()
    };
    let complete = cells.iter().filter(|(_, cells)| cells.len() == complete);
    complete.map(|(name, cells)| (name.clone(), mean(cells))).collect()
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
    fn means_are_of_complete_columns() {
        let cells = BTreeMap::from([("a".to_owned(), vec![2.0, 8.0]), ("b".to_owned(), vec![2.0])]);
        let means = geometric_means(&cells, 2);
        assert!((means["a"] - 4.0).abs() < 1e-9, "{means:?}");
        assert!(!means.contains_key("b"));
    }

    #[test]
    fn the_results_that_are_kept_can_be_summed_up() {
        let hosted = Hosted::read().unwrap();
        for numbers in [hosted.times(Age::Cold), hosted.peaks(), threads("1").unwrap()] {
            assert!(numbers["SystemTalloc"] > 0.0, "{numbers:?}");
            assert!(numbers.len() > 3, "{numbers:?}");
        }
        assert!(given_back().unwrap()["SystemTalloc"] > 0.0);
    }

    #[test]
    fn our_own_column_is_one() {
        let mut table = Table::new("x", vec!["SystemTalloc", "a", "b"], 2);
        let numbers = [("SystemTalloc", 2.0), ("a", 3.0)];
        push(&mut table, "row", &numbers.map(|(name, number)| (name.to_owned(), number)).into());
        assert_eq!(table.rows()[0].1, [Some(1.0), Some(1.5), None]);
    }
}
