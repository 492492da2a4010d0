//! What pairs of operations may cost, in instructions.
//!
//! The budget is the file `budget.csv`. It holds for one compiler; with another one, the counts may differ a little.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};

const COLUMNS: [&str; 5] = ["workload", "heap", "instructions", "tolerance_percent", "compiler"];

/// What a pair of operations costs on a heap, without the workload's own cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The workload.
    pub workload: String,
    /// The heap.
    pub heap: String,
    /// Instructions, to two decimals.
    pub instructions: f64,
    /// By how many percent a count may differ.
    pub tolerance: f64,
    /// The compiler of the count.
    pub compiler: String,
}

/// How a count compares with the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Kept,
    /// More than it may be.
    Exceeded,
    /// So much less that the budget should be lowered.
    TooHigh,
    /// There is no budget for it.
    Unknown,
}

impl Line {
    /// Compares a count with the budget for the same, if there is one.
    pub fn compare(&self, budget: &[Self]) -> (Option<f64>, Verdict) {
        let same = |line: &&Self| line.workload == self.workload && line.heap == self.heap;
        let Some(line) = budget.iter().find(same) else { return (None, Verdict::Unknown) };
        let tolerated = line.instructions * line.tolerance / 100.0;
        let verdict = if self.instructions > line.instructions + tolerated {
            Verdict::Exceeded
        } else if self.instructions < line.instructions - tolerated {
            Verdict::TooHigh
        } else {
            Verdict::Kept
        };
        (Some(line.instructions), verdict)
    }

    fn record(&self) -> [String; 5] {
        [
            self.workload.clone(),
            self.heap.clone(),
            format!("{:.2}", self.instructions),
            self.tolerance.to_string(),
            self.compiler.clone(),
        ]
    }

    fn parse(record: &csv::StringRecord) -> Result<Self> {
        let cell = |column: usize| record.get(column).with_context(|| COLUMNS[column].to_owned());
        Ok(Self {
            workload: cell(0)?.to_owned(),
            heap: cell(1)?.to_owned(),
            instructions: cell(2)?.parse()?,
            tolerance: cell(3)?.parse()?,
            compiler: cell(4)?.to_owned(),
        })
    }
}

/// Reads a budget.
///
/// # Errors
///
/// If it cannot be read, or is empty.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    parse(file).with_context(|| path.display().to_string())
}

/// Reads lines of a budget, or of counts.
///
/// # Errors
///
/// If one is none, or there are none.
pub fn parse(lines: impl Read) -> Result<Vec<Line>> {
    let mut reader = csv::Reader::from_reader(lines);
    ensure!(reader.headers()? == COLUMNS.as_slice(), "the columns are not {}", COLUMNS.join(", "));
    let lines: Result<Vec<_>> = reader.records().map(|record| Line::parse(&record?)).collect();
    let lines = lines?;
    ensure!(!lines.is_empty(), "there are no lines");
    Ok(lines)
}

/// Writes a budget.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, lines: &[Line]) -> Result<()> {
    let mut writer = csv::Writer::from_path(path).with_context(|| path.display().to_string())?;
    writer.write_record(COLUMNS)?;
    for line in lines {
        writer.write_record(line.record())?;
    }
    writer.flush().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(instructions: f64) -> Line {
        Line {
            workload: "pair-hot".to_owned(),
            heap: "talloc".to_owned(),
            instructions,
            tolerance: 1.0,
            compiler: "rustc".to_owned(),
        }
    }

    #[test]
    fn counts_are_compared_to_within_the_tolerance() {
        let budget = [line(100.0)];
        let verdict = |instructions| line(instructions).compare(&budget).1;
        assert_eq!([99.0, 100.0, 101.0].map(verdict), [Verdict::Kept; 3]);
        assert_eq!(verdict(101.01), Verdict::Exceeded);
        assert_eq!(verdict(98.99), Verdict::TooHigh);
        assert_eq!(line(1.0).compare(&[]), (None, Verdict::Unknown));
    }

    #[test]
    fn a_budget_is_read_back() {
        let path = std::env::temp_dir().join(format!("talloc-budget-{}.csv", std::process::id()));
        let lines = [line(23.5), line(7.0)];
        write(&path, &lines).unwrap();
        let read = read(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.unwrap(), lines);
    }
}
