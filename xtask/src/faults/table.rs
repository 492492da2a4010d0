//! The table of outcomes of programs with faults.

use std::collections::BTreeMap;

use super::libraries::Library;
use crate::tables;

/// The name and the outcome of each case.
pub type Outcomes = Vec<(String, String)>;

/// Prints a row for each case with a column for each library, and the number of each outcome.
pub fn print(what: &str, libraries: &[Library], columns: &[Outcomes]) {
    let mut table = tables::with_heading(
        [what].into_iter().chain(libraries.iter().map(|library| &*library.name)),
    );
    for (row, (case, _)) in columns[0].iter().enumerate() {
        table.add_row([case].into_iter().chain(columns.iter().map(|column| &column[row].1)));
    }
    table.add_row([String::from("in all")].into_iter().chain(columns.iter().map(sum)));
    println!("\n{table}");
}

/// The number of each outcome.
fn sum(column: &Outcomes) -> String {
    let mut counts = BTreeMap::new();
    for (_, outcome) in column {
        *counts.entry(outcome.as_str()).or_insert(0) += 1;
    }
    let counts: Vec<String> =
        counts.into_iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    counts.join(", ")
}
