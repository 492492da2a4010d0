//! Tables: Markdown for people, CSV for everything else.

use crate::registry::OURS;
use anyhow::{Context, Result};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// A table of numbers: a column for each heap, a row for each workload. An empty cell is a heap that did not
/// complete the workload.
pub struct Table {
    title: String,
    heaps: Vec<&'static str>,
    rows: Vec<(String, Vec<Option<f64>>)>,
    decimals: usize,
}

impl Table {
    /// A table without rows, that shows its numbers with so many decimals.
    pub fn new(title: impl Into<String>, heaps: Vec<&'static str>, decimals: usize) -> Self {
        Self { title: title.into(), heaps, rows: Vec::new(), decimals }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If there is not one cell for each heap.
    pub fn push(&mut self, workload: &str, cells: Vec<Option<f64>>) {
        assert_eq!(cells.len(), self.heaps.len());
        self.rows.push((workload.to_owned(), cells));
    }

    /// The geometric mean of each column; of complete columns only, since others have other workloads.
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
        let means = self.means();
        let mut rows = vec![self.header()];
        rows.extend(
            self.rows.iter().map(|(workload, cells)| self.row(workload, cells, self.decimals)),
        );
        if self.rows.len() > 1 {
            rows.push(self.row("**geometric mean**", &means, self.decimals));
        }
        if let Some(ours) =
            self.heaps.iter().position(|&heap| heap == OURS.name).and_then(|ours| means[ours])
        {
            let ratios: Vec<_> = means.iter().map(|mean| mean.map(|mean| mean / ours)).collect();
            rows.push(self.row(&format!("**ratio to {}**", OURS.name), &ratios, 3));
        }
        format!("{}\n\n{}", self.title, align(&rows))
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

/// Lines of Markdown with columns as wide as their widest cell: also to be read as they are.
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

impl Csv {
    /// Starts the file `name.csv` with a line of column names.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(name: &str, columns: &[&str]) -> Result<Self> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/results"));
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
        let mut table = Table::new("Time", vec![OURS.name, "other"], 2);
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
        let widths: Vec<_> = text.lines().skip(2).map(str::len).collect();
        assert!(widths.iter().all(|&width| width == widths[0]), "{text}");
    }
}
