//! The report.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use itertools::Itertools;

use super::counts::{Counts, File};

/// How many there are, and how many of them were run.
#[derive(Clone, Copy, Default)]
struct Share {
    all: usize,
    run: usize,
}

impl Share {
    fn of<'a>(counts: impl Iterator<Item = &'a u64>) -> Self {
        counts.fold(Self::default(), |share, count| Self {
            all: share.all + 1,
            run: share.run + usize::from(*count > 0),
        })
    }

    fn plus(self, other: Self) -> Self {
        Self { all: self.all + other.all, run: self.run + other.run }
    }

    fn cells(self) -> [String; 2] {
        let percent = match self.all {
            0 => "-".to_owned(),
            all => format!("{:.1} %", 100.0 * self.run as f64 / all as f64),
        };
        [format!("{}/{}", self.run, self.all), percent]
    }
}

/// Lines, regions and branches.
type Shares = [Share; 3];

fn shares(file: &File) -> Shares {
    [
        Share::of(file.lines.values()),
        Share::of(file.regions.values()),
        Share::of(file.branches.values()),
    ]
}

fn sum(shares: impl Iterator<Item = Shares>) -> Shares {
    shares.fold(Shares::default(), |[a, b, c], [d, e, f]| [a.plus(d), b.plus(e), c.plus(f)])
}

/// A row for each file, one for each library, and one for all.
pub fn table(counts: &Counts) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["", "lines", "", "regions", "", "branches", ""]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let library = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let files = counts.0.iter().map(|(path, file)| (library(path), path, shares(file)));
    let files: Vec<_> = files.collect();
    for (library, files) in &files.iter().chunk_by(|(library, ..)| library) {
        let files: Vec<_> = files.collect();
        for (_, path, shares) in &files {
            table.add_row(row(path, shares));
        }
        table.add_row(row(&format!("{library}: all"), &sum(files.iter().map(|file| file.2))));
    }
    table.add_row(row("all", &sum(files.iter().map(|file| file.2))));
    table
}

fn row(name: &str, shares: &Shares) -> Vec<String> {
    let cells = shares.iter().flat_map(|share| share.cells());
    [name.to_owned()].into_iter().chain(cells).collect()
}

/// The lines that were not run, by file.
pub fn missed_lines(counts: &Counts) -> String {
    let mut text = String::new();
    for (path, file) in &counts.0 {
        let missed = file.lines.iter().filter(|(_, count)| **count == 0);
        let missed: Vec<u64> = missed.map(|(line, _)| *line).collect();
        if !missed.is_empty() {
            let _ = writeln!(text, "{path}: {}", ranges(&missed).iter().join(", "));
        }
    }
    text
}

/// Runs of numbers that follow each other, as `3-5`.
fn ranges(numbers: &[u64]) -> Vec<String> {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().join(""),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_lines_are_shortened() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), ["1-3", "7", "9-10"]);
        assert!(ranges(&[]).is_empty());
    }

    #[test]
    fn rows_are_summed_by_library() {
        let file =
            |counts: [u64; 2]| File { lines: (1..).zip(counts).collect(), ..File::default() };
        let files = [("a/x.rs", [0, 1]), ("a/y.rs", [1, 1]), ("b/z.rs", [0, 0])];
        let counts = Counts(files.map(|(path, counts)| (path.to_owned(), file(counts))).into());
        let text = table(&counts).to_string();
        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(line("a: all").contains("3/4") && line("a: all").contains("75.0 %"), "{text}");
        assert!(line("b: all").contains("0/2"), "{text}");
        assert!(line("| all").contains("3/6"), "{text}");
        assert_eq!(missed_lines(&counts), "a/x.rs: 1\nb/z.rs: 1-2\n");
    }
}
