//! Draws tables as SVG.

use crate::{
    registry::HEAPS,
    report::{self, Table},
};
use anyhow::{Result, anyhow};
use plotters::{
    coord::{
        Shift,
        ranged1d::{DefaultFormatting, KeyPointHint, Ranged},
    },
    prelude::*,
};
use std::{ops::Range, path::Path};

/// How a table is drawn: the rows from left to right, the numbers upwards, a colour for each heap.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Whether the rows follow each other, so that a line joins a heap's numbers.
    pub joined: bool,
    /// Whether the scale is logarithmic: heaps differ by orders of magnitude.
    pub logarithmic: bool,
}

/// Pixels of the legend to the right.
const LEGEND: i32 = 150;

/// Draws the table to `results/NAME.svg`.
///
/// # Errors
/// If the file cannot be written, or the table has no numbers that can be drawn.
pub fn draw(name: &str, table: &Table, style: Style) -> Result<()> {
    draw_to(&report::folder().join(format!("{name}.svg")), table, style)
}

fn draw_to(path: &Path, table: &Table, style: Style) -> Result<()> {
    let width = (table.rows().len() as u32 * 95 + LEGEND as u32 + 80).max(800);
    let root = SVGBackend::new(path, (width, 480)).into_drawing_area();
    // The backend's errors borrow it.
    chart(&root, table, style).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn chart(
    root: &DrawingArea<SVGBackend, Shift>,
    table: &Table,
    style: Style,
) -> Result<(), Box<dyn std::error::Error>> {
    let scale = |number: f64| if style.logarithmic { number.log10() } else { number };
    let heights = heights(table, style).ok_or("nothing to draw")?;
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(root)
        .caption(table.title(), ("sans-serif", 18))
        .margin(10)
        .margin_right(LEGEND)
        .x_label_area_size(30)
        .y_label_area_size(60)
        .build_cartesian_2d(Rows(table.rows().len()), heights)?;
    chart
        .configure_mesh()
        .x_labels(table.rows().len())
        .x_label_formatter(&|&row| table.rows()[row as usize].0.clone())
        .y_label_formatter(&|&height| {
            number(if style.logarithmic { 10_f64.powf(height) } else { height })
        })
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (column, heap) in table.heaps().iter().enumerate() {
        let color = color(heap);
        // Side by side where they belong to a row, not to a line.
        let shift = if style.joined {
            0.0
        } else {
            (column as f64 + 0.5) / table.heaps().len() as f64 - 0.5
        };
        let points: Vec<_> = table
            .rows()
            .iter()
            .enumerate()
            .filter_map(|(row, (_, cells))| {
                Some((row as f64 + shift * 0.8, drawable(cells[column], style)?))
            })
            .map(|(row, cell)| (row, scale(cell)))
            .collect();
        if style.joined {
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
        }
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 4, color.filled())))?;
        let (x, y) = (root.dim_in_pixel().0 as i32 - LEGEND + 20, 50 + 24 * column as i32);
        root.draw(&Circle::new((x, y + 7), 5, color.filled()))?;
        root.draw(&Text::new(*heap, (x + 12, y), ("sans-serif", 14)))?;
    }
    root.present()?;
    Ok(())
}

/// The number, if the scale has a place for it.
fn drawable(cell: Option<f64>, style: Style) -> Option<f64> {
    cell.filter(|&number| number.is_finite() && (number > 0.0 || !style.logarithmic))
}

/// The range of the scale, with some air at both ends.
fn heights(table: &Table, style: Style) -> Option<Range<f64>> {
    let cells = table.rows().iter().flat_map(|(_, cells)| cells);
    let numbers = cells.filter_map(|&cell| drawable(cell, style));
    let heights: Vec<_> =
        numbers.map(|number| if style.logarithmic { number.log10() } else { number }).collect();
    let least = heights.iter().copied().min_by(f64::total_cmp)?;
    let most = heights.iter().copied().max_by(f64::total_cmp)?;
    let air = ((most - least) * 0.05).max(1e-3);
    Some(least - air..most + air)
}

/// A number on the scale, as short as can be.
fn number(number: f64) -> String {
    match number.abs() {
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// A heap's colour, the same in all plots; ours is black.
fn color(heap: &str) -> RGBColor {
    const COLORS: [RGBColor; 14] = [
        RGBColor(0, 0, 0),
        RGBColor(130, 130, 130),
        RGBColor(200, 0, 0),
        RGBColor(255, 120, 120),
        RGBColor(31, 119, 180),
        RGBColor(140, 200, 255),
        RGBColor(44, 160, 44),
        RGBColor(255, 127, 14),
        RGBColor(148, 103, 189),
        RGBColor(140, 86, 75),
        RGBColor(227, 119, 194),
        RGBColor(188, 189, 34),
        RGBColor(23, 190, 207),
        RGBColor(0, 100, 100),
    ];
    let position = HEAPS.iter().position(|entry| entry.name == heap);
    COLORS[position.unwrap_or(COLORS.len() - 1) % COLORS.len()]
}

/// The horizontal axis: so many rows, a label below each.
struct Rows(usize);

impl Ranged for Rows {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let part = (value + 0.5) / self.0 as f64;
        limit.0 + (part * f64::from(limit.1 - limit.0)) as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        (0..self.0).map(|row| row as f64).collect()
    }

    fn range(&self) -> Range<f64> {
        -0.5..self.0 as f64 - 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs, process};

    #[test]
    fn a_plot_has_the_names_and_a_point_for_each_number() {
        let mut table = Table::new("Time", vec!["talloc", "talc5"], 2);
        table.push("first", vec![Some(2.0), Some(300.0)]);
        table.push("second", vec![Some(8.0), None]);
        let path = env::temp_dir().join(format!("talloc-benches-{}.svg", process::id()));
        for joined in [false, true] {
            for logarithmic in [false, true] {
                draw_to(&path, &table, Style { joined, logarithmic }).unwrap();
                let text = fs::read_to_string(&path).unwrap();
                for name in ["Time", "talloc", "talc5", "first", "second"] {
                    assert!(text.contains(name), "{name}");
                }
                // Three numbers and two colours of the legend.
                assert_eq!(text.matches("<circle").count(), 5);
                // The axes are thinner.
                assert_eq!(text.contains("stroke-width=\"2\""), joined);
            }
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_empty_table_is_an_error() {
        let style = Style { joined: true, logarithmic: true };
        let path = env::temp_dir().join(format!("talloc-benches-empty-{}.svg", process::id()));
        let mut table = Table::new("Time", vec!["talloc"], 2);
        table.push("first", vec![None]);
        assert!(draw_to(&path, &table, style).is_err());
        let _ = fs::remove_file(path);
    }
}
