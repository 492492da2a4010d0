//! Tables: Markdown for people, CSV for everything else.

use anyhow::{Context, Result};
use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    thread,
};

/// The columns that the others are compared with. A table has one of them.
const OURS: [&str; 2] = ["SystemTalloc", "talloc"];

/// Whether a column is one of talloc's heaps.
pub fn is_ours(heap: &str) -> bool {
    OURS.iter().any(|ours| heap.starts_with(ours))
}

/// A table of numbers: a column for each heap, a row for each workload. An empty cell is a heap that did not
/// complete the workload.
pub struct Table {
    title: String,
    heaps: Vec<&'static str>,
    rows: Vec<(String, Vec<Option<f64>>)>,
    decimals: usize,
    means: bool,
    more_is_better: bool,
}

impl Table {
    /// Makes a table without rows, whose numbers have `decimals` decimals.
    pub fn new(title: impl Into<String>, heaps: Vec<&'static str>, decimals: usize) -> Self {
        Self {
            title: title.into(),
            heaps,
            rows: Vec::new(),
            decimals,
            means: true,
            more_is_better: false,
        }
    }

    /// Makes this a table in which larger numbers are better.
    #[must_use]
    pub fn more_is_better(self) -> Self {
        Self { more_is_better: true, ..self }
    }

    /// Makes this a table without means, for rows that do not compare.
    #[must_use]
    pub fn without_means(self) -> Self {
        Self { means: false, ..self }
    }

    /// The meaning of the numbers.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The names of the columns.
    pub fn heaps(&self) -> &[&'static str] {
        &self.heaps
    }

    /// The names of the rows and their cells.
    pub fn rows(&self) -> &[(String, Vec<Option<f64>>)] {
        &self.rows
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If there is not one cell for each heap.
    pub fn push(&mut self, workload: &str, cells: Vec<Option<f64>>) {
        assert_eq!(cells.len(), self.heaps.len());
        self.rows.push((workload.to_owned(), cells));
    }

    /// The geometric mean of each complete column. Other columns lack some workloads, so their means would not compare.
    pub fn means(&self) -> Vec<Option<f64>> {
        let column = |heap: usize| {
            let logs: Option<Vec<f64>> = self
                .rows
                .iter()
                .map(|(_, cells)| cells[heap].filter(|&cell| cell > 0.0).map(f64::ln))
                .collect();
            let logs = logs.filter(|logs| !logs.is_empty())?;
            Some((logs.iter().sum::<f64>() / logs.len() as f64).exp())
        };
        (0..self.heaps.len()).map(column).collect()
    }

    /// The table in Markdown, with the geometric means and their ratios to ours below.
    pub fn markdown(&self) -> String {
        let mut rows = vec![self.header()];
        rows.extend(
            self.rows.iter().map(|(workload, cells)| self.row(workload, cells, self.decimals)),
        );
        if self.means {
            self.push_means(&mut rows);
        }
        format!("{}\n\n{}{}", self.title, align(&rows), self.better())
    }

    fn push_means(&self, rows: &mut Vec<Vec<String>>) {
        let means = self.means();
        if self.rows.len() > 1 {
            rows.push(self.row("**geometric mean**", &means, self.decimals));
        }
        if let Some(ours) = self.ours().and_then(|ours| means[ours]) {
            let ratios: Vec<_> = means.iter().map(|mean| mean.map(|mean| mean / ours)).collect();
            rows.push(self.row(&format!("**ratio to {}**", self.ours_name()), &ratios, 3));
        }
    }

    fn ours(&self) -> Option<usize> {
        self.heaps.iter().position(|heap| OURS.contains(heap))
    }

    fn ours_name(&self) -> &'static str {
        self.ours().map_or("", |ours| self.heaps[ours])
    }

    /// Lists the rows in which a peer is better than talloc, with the best peer first.
    fn better(&self) -> String {
        let Some(ours) = self.ours() else { return String::new() };
        let rows: Vec<_> = self.rows.iter().filter_map(|row| self.better_in(row, ours)).collect();
        if rows.is_empty() {
            format!("\nNo peer is better than {} in any row.\n", self.ours_name())
        } else {
            format!("\nBetter than {}: {}.\n", self.ours_name(), rows.join("; "))
        }
    }

    fn better_in(
        &self,
        (workload, cells): &(String, Vec<Option<f64>>),
        ours: usize,
    ) -> Option<String> {
        let decimals = self.decimals;
        let shown = |number: f64| format!("{number:.decimals$}");
        let worth = |number: f64| if self.more_is_better { -number } else { number };
        let ours = cells[ours];
        let mut better: Vec<_> = self
            .heaps
            .iter()
            .zip(cells)
            .filter(|(heap, _)| !is_ours(heap))
            .filter_map(|(heap, cell)| Some((heap, (*cell)?)))
            .filter(|&(_, cell)| {
                ours.is_none_or(|ours| worth(cell) < worth(ours) && shown(cell) != shown(ours))
            })
            .collect();
        better.sort_by(|(_, a), (_, b)| worth(*a).total_cmp(&worth(*b)));
        let names: Vec<_> =
            better.iter().map(|(heap, cell)| format!("{heap} {}", shown(*cell))).collect();
        (!names.is_empty()).then(|| format!("{workload} ({})", names.join(", ")))
    }

    fn header(&self) -> Vec<String> {
        [""].iter().chain(&self.heaps).map(|&cell| cell.to_owned()).collect()
    }

    fn row(&self, name: &str, cells: &[Option<f64>], decimals: usize) -> Vec<String> {
        let cell = |cell: &Option<f64>| {
            cell.map_or_else(|| "-".to_owned(), |number| format!("{number:.decimals$}"))
        };
        [name.to_owned()].into_iter().chain(cells.iter().map(cell)).collect()
    }
}

/// Formats rows as Markdown, with padded columns, so that the source is readable, too.
fn align(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let _ = write!(text, "| {:<1$} |", row[0], widths[0]);
        for (cell, &width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(text, " {cell:>width$} |");
        }
        text.push('\n');
        if number == 0 {
            let _ = write!(text, "|-{:-<1$}-|", "", widths[0]);
            for &width in &widths[1..] {
                let _ = write!(text, "-{:-<width$}:|", "");
            }
            text.push('\n');
        }
    }
    text
}

/// A file of raw results in `benches/results/`.
pub struct Csv {
    path: PathBuf,
    writer: csv::Writer<fs::File>,
}

/// The folder for results.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/results"))
}

/// Keeps tables as `name.md` for the results page, below the command and the machine they come from.
///
/// # Errors
/// If the file cannot be written.
pub fn save(name: &str, tables: &[Table]) -> Result<()> {
    let tables: Vec<_> = tables.iter().map(Table::markdown).collect();
    let path = folder().join(format!("{name}.md"));
    fs::write(&path, format!("{}\n\n{}", origin(), tables.join("\n")))
        .with_context(|| path.display().to_string())
}

/// This run's command and machine.
fn origin() -> String {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let processor = processor.unwrap_or_else(|| env::consts::ARCH.to_owned());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("`cargo xtask bench {}` on {cores} cores of: {processor}", arguments.join(" "))
}

impl Csv {
    /// Starts the file `name.csv` with a line of column names.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(name: &str, columns: &[&str]) -> Result<Self> {
        let folder = folder();
        let path = folder.join(format!("{name}.csv"));
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let mut writer =
            csv::Writer::from_path(&path).with_context(|| path.display().to_string())?;
        writer.write_record(columns)?;
        Ok(Self { path, writer })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, cells: &[&str]) -> Result<()> {
        self.writer.write_record(cells).with_context(|| self.path.display().to_string())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<()> {
        self.writer.flush().with_context(|| self.path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_means_of_complete_columns_and_ratios() {
        let mut table = Table::new("Time", vec!["talloc", "other"], 2);
        table.push("a", vec![Some(2.0), Some(3.0)]);
        table.push("b", vec![Some(8.0), None]);
        let means = table.means();
        assert!((means[0].unwrap() - 4.0).abs() < 1e-9);
        assert_eq!(means[1], None);

        let text = table.markdown();
        let line =
            |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
        assert!(line("| b ").ends_with("8.00 |     - |"), "{text}");
        assert!(line("| **ratio").contains("1.000 |"), "{text}");
        let widths: Vec<_> =
            text.lines().filter(|line| line.starts_with('|')).map(str::len).collect();
        assert!(widths.iter().all(|&width| width == widths[0]), "{text}");
    }

    #[test]
    fn a_table_says_where_a_peer_is_better() {
        let heaps = vec!["talloc", "talloc-plain", "a", "b"];
        let mut time = Table::new("Time", heaps.clone(), 1);
        time.push("x", vec![Some(2.0), Some(1.0), Some(1.5), Some(1.2)]);
        time.push("y", vec![Some(2.0), Some(1.0), Some(1.99), None]);
        time.push("z", vec![None, Some(1.0), Some(3.0), None]);
        assert!(time.markdown().ends_with("\nBetter than talloc: x (b 1.2, a 1.5); z (a 3.0).\n"));

        let mut speed = Table::new("Speed", heaps, 1).more_is_better().without_means();
        speed.push("x", vec![Some(2.0), None, Some(1.5), Some(1.2)]);
        let text = speed.markdown();
        assert!(text.ends_with("\nNo peer is better than talloc in any row.\n"), "{text}");
        assert!(!text.contains("mean"), "{text}");

        let mut hosted = Table::new("Time", vec!["SystemTalloc", "a"], 1);
        hosted.push("x", vec![Some(2.0), Some(1.0)]);
        let text = hosted.markdown();
        assert!(text.contains("| **ratio to SystemTalloc** |        1.000 | 0.500 |"), "{text}");
        assert!(text.ends_with("\nBetter than SystemTalloc: x (a 1.0).\n"), "{text}");
    }
}
