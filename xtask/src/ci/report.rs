//! The table at the end of a run.

use std::fmt;
use std::time::Duration;

use comfy_table::presets::ASCII_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

#[derive(Clone, Copy)]
pub enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

pub struct Report {
    /// What a row is about, in a word.
    heading: &'static str,
    rows: Vec<(&'static str, Outcome, String)>,
}

impl Report {
    pub fn of(heading: &'static str) -> Self {
        Self { heading, rows: Vec::new() }
    }

    pub fn add(&mut self, name: &'static str, outcome: Outcome, note: impl Into<String>) {
        self.rows.push((name, outcome, note.into()));
    }

    #[cfg(test)]
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        self.rows.iter().map(|(_, outcome, _)| *outcome)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(ASCII_FULL_CONDENSED);
        table.set_header([self.heading, "outcome", "seconds", "what it is"]);
        let mut total = Duration::ZERO;
        for (name, outcome, note) in &self.rows {
            let (word, time) = match *outcome {
                Outcome::Passed(time) => ("passed", Some(time)),
                Outcome::Failed(time) => ("FAILED", Some(time)),
                Outcome::NotRun => ("not run", None),
            };
            total += time.unwrap_or_default();
            table.add_row([*name, word, &time.map(seconds).unwrap_or_default(), note]);
        }
        table.add_row(["all", "", &seconds(total), ""]);
        if let Some(column) = table.column_mut(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_every_row_and_the_sum_of_the_times() {
        let mut report = Report::of("step");
        report.add("one", Outcome::Passed(Duration::from_millis(1500)), "this");
        report.add("two", Outcome::Failed(Duration::from_millis(2000)), "that");
        report.add("three", Outcome::NotRun, "something else");

        let table = report.to_string();
        let line = |word| table.lines().find(|line| line.contains(word)).unwrap();
        assert!(line("one").contains("passed") && line("one").contains("1.5"));
        assert!(line("two").contains("FAILED") && line("two").contains("2.0"));
        assert!(line("three").contains("not run"));
        assert!(line("all").contains("3.5"));
    }
}
