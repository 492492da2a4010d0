//! The tables, in Markdown.

use std::fmt::Write;

use super::class::{Class, Family};
use super::level::Level;
use super::tally::{Row, Tally};

const HEAD: &str = "planted | caught | at once | later | calls until then, median / most | after damage | harmless | lost | latent | missed | crashed |";
const RULE: &str = "--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// The labels of [`Tally::SIZES`] and [`Tally::DISTANCES`].
const SIZES: [&str; 6] = ["1", "2-7", "8", "9-16", "17-32", "33 and more"];
const DISTANCES: [&str; 5] = ["0", "1-7", "8-31", "32-127", "128 and more"];

/// Returns the head of the table of all classes.
#[must_use]
pub fn heading() -> String {
    format!("| class | fault | level | {HEAD}\n|---|---|---|{RULE}\n")
}

/// Returns a row of the table. It is empty for a class that has its own table in [`details`].
#[must_use]
pub fn row(class: Class, level: Level, tally: &Tally) -> String {
    let mut text = String::new();
    if !is_exposure(class) {
        let fault = format!("{}: {}", class.name(), class.description());
        line(&mut text, &[class.number(), &fault, level.name], &tally.all);
    }
    text
}

/// Returns the other tables: exposures, and outcomes by size and by distance.
#[must_use]
pub fn details(results: &[(Class, Level, Tally)]) -> String {
    let mut text = String::new();
    exposures(&mut text, results);
    parts(&mut text, results, Class::has_sizes, "bytes written", SIZES, |tally| &tally.by_size);
    let heading = "calls since the free";
    parts(&mut text, results, has_distances, heading, DISTANCES, |tally| &tally.by_distance);
    text
}

fn is_exposure(class: Class) -> bool {
    class.family() == Family::Exposure
}

fn has_distances(class: Class) -> bool {
    class.has_distances() && !is_exposure(class)
}

/// Writes the table of memory that can be read but should not be.
fn exposures(text: &mut String, results: &[(Class, Level, Tally)]) {
    if !results.iter().any(|(class, ..)| is_exposure(*class)) {
        return;
    }
    *text += "\n| read | level | looked at | former contents gone | exposed | crashed |\n";
    *text += "|---|---|--:|--:|--:|--:|\n";
    for (class, level, tally) in results.iter().filter(|(class, ..)| is_exposure(*class)) {
        let Row { planted, missed, crashed, .. } = tally.all;
        let (name, what) = (class.name(), class.description());
        let gone = tally.all.caught();
        let level = level.name;
        let row =
            format!("| {name}: {what} | {level} | {planted} | {gone} | {missed} | {crashed} |\n");
        *text += &row;
    }
}

/// Writes a table by size or distance, if any class has one.
fn parts<const N: usize>(
    text: &mut String,
    results: &[(Class, Level, Tally)],
    is_shown: fn(Class) -> bool,
    heading: &str,
    names: [&str; N],
    rows: fn(&Tally) -> &[Row; N],
) {
    if !results.iter().any(|(class, ..)| is_shown(*class)) {
        return;
    }
    let _ = write!(text, "\n| fault | {heading} | level | {HEAD}\n|---|---|---|{RULE}\n");
    for (class, level, tally) in results.iter().filter(|(class, ..)| is_shown(*class)) {
        for (name, row) in names.iter().zip(rows(tally)).filter(|(_, row)| row.planted > 0) {
            line(text, &[class.name(), name, level.name], row);
        }
    }
}

fn line(text: &mut String, names: &[&str; 3], row: &Row) {
    let [first, second, third] = names;
    let share = 100.0 * row.caught() as f64 / row.planted.max(1) as f64;
    let delays = row.delays().map_or("-".into(), |(median, most)| format!("{median} / {most}"));
    let (later, caught) = (row.later.len(), row.caught());
    let Row { planted, at_once, late, harmless, lost, latent, missed, crashed, .. } = row;
    let _ = writeln!(
        text,
        "| {first} | {second} | {third} | {planted} | {caught} ({share:.1} %) | {at_once} | {later} | {delays} | \
         {late} | {harmless} | {lost} | {latent} | {missed} | {crashed} |"
    );
}
