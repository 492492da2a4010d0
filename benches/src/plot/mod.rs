//! Draws tables as SVG.

mod axes;
mod labels;
mod look;

use self::{
    axes::{Heights, Rows},
    look::{Look, Place, Shape, look},
};
use crate::report::{self, Table};
use anyhow::{Result, anyhow};
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use std::{error::Error, ops::Range, path::Path};

/// The style of a plot. Rows run from left to right, numbers run upwards, and each heap has a colour and a mark.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Whether the rows are a sequence, in which a line joins a heap's numbers.
    pub joined: bool,
    /// Whether the scale is logarithmic: heaps differ by orders of magnitude.
    pub logarithmic: bool,
}

/// Pixels for names to the right.
const NAMES: i32 = 170;

/// Pixels between names in a legend.
const LINE: i32 = 24;

type Root<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// Draws the table to `results/NAME.svg`.
///
/// # Errors
/// If the file cannot be written, or the table has no numbers that can be drawn.
pub fn draw(name: &str, table: &Table, style: Style) -> Result<()> {
    draw_to(&report::folder().join(format!("{name}.svg")), table, style)
}

fn draw_to(path: &Path, table: &Table, style: Style) -> Result<()> {
    let width = (table.rows().len() as u32 * 95 + NAMES as u32 + 80).max(800);
    let root = SVGBackend::new(path, (width, 480)).into_drawing_area();
    // The backend's errors borrow it.
    chart(&root, table, style).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// A heap's numbers, where they are drawn.
struct Line {
    name: &'static str,
    look: Look,
    places: Vec<Place>,
}

fn chart(root: &Root, table: &Table, style: Style) -> Drawn {
    let range = heights(table, style).ok_or("nothing to draw")?;
    let heights = Heights { range, logarithmic: style.logarithmic };
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(root)
        .caption(table.title(), ("sans-serif", 18))
        .margin(10)
        .margin_right(NAMES)
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
    let place = |point: (f64, f64)| chart.backend_coord(&point);
    let lines: Vec<_> = (0..table.heaps().len())
        .map(|column| {
            let name = table.heaps()[column];
            let places = points(table, column, style).into_iter().map(place).collect();
            Line { name, look: look(name), places }
        })
        .collect();
    // talloc comes last, so that no peer hides it.
    let mut order: Vec<_> = lines.iter().collect();
    order.sort_by_key(|line| line.look.width);
    for line in order {
        line.draw(root, style)?;
    }
    let (columns, rows) = chart.plotting_area().get_pixel_range();
    if style.joined { name_ends(root, &lines, columns.end, rows) } else { legend(root, &lines) }?;
    root.present()?;
    Ok(())
}

/// The points of a heap's numbers on the axes. Numbers that belong to a row instead of a line are side by side.
fn points(table: &Table, column: usize, style: Style) -> Vec<(f64, f64)> {
    let shift = (column as f64 + 0.5) / table.heaps().len() as f64 - 0.5;
    let shift = if style.joined { 0.0 } else { shift * 0.8 };
    let cells = table.rows().iter().map(|(_, cells)| drawable(cells[column], style));
    let points = cells.enumerate().filter_map(|(row, cell)| Some((row as f64 + shift, cell?)));
    points.map(|(row, cell)| (row, if style.logarithmic { cell.log10() } else { cell })).collect()
}

impl Line {
    fn draw(&self, root: &Root, style: Style) -> Drawn {
        if style.joined {
            let stroke = self.look.color.stroke_width(self.look.width);
            root.draw(&PathElement::new(self.places.clone(), stroke))?;
        }
        self.places.iter().try_for_each(|&place| mark(root, self.look, place))
    }
}

fn mark(root: &Root, Look { color, mark, size, .. }: Look, place: Place) -> Drawn {
    match mark.shape(place, size) {
        Shape::Round { filled: true } => root.draw(&Circle::new(place, size, color.filled()))?,
        Shape::Round { filled: false } => {
            root.draw(&Circle::new(place, size, color.stroke_width(2)))?;
        }
        Shape::Filled(corners) => root.draw(&Polygon::new(corners, color.filled()))?,
        Shape::Strokes(strokes) => {
            for stroke in strokes {
                root.draw(&PathElement::new(stroke, color.stroke_width(2)))?;
            }
        }
    }
    Ok(())
}

/// Writes each heap's name to the right of where its line ends.
fn name_ends(root: &Root, lines: &[Line], right: i32, rows: Range<i32>) -> Drawn {
    let ends: Vec<_> = lines.iter().filter_map(|line| Some((line, *line.places.last()?))).collect();
    let wanted: Vec<_> = ends.iter().map(|&(_, (_, y))| y).collect();
    for (&(line, end), y) in ends.iter().zip(labels::spread(&wanted, rows)) {
        let leader = line.look.color.mix(0.5).stroke_width(1);
        root.draw(&PathElement::new(vec![end, (right + 4, y)], leader))?;
        write(root, line, (right + 8, y))?;
    }
    Ok(())
}

/// Writes the heaps' names, with their marks, below each other.
fn legend(root: &Root, lines: &[Line]) -> Drawn {
    let (width, _) = root.dim_in_pixel();
    let x = width as i32 - NAMES + 20;
    for (line, y) in lines.iter().zip((57..).step_by(LINE as usize)) {
        mark(root, line.look, (x, y))?;
        write(root, line, (x + 12, y))?;
    }
    Ok(())
}

/// Writes a heap's name to the right of a place.
fn write(root: &Root, line: &Line, place: Place) -> Drawn {
    let weight = if line.look.width > 2 { FontStyle::Bold } else { FontStyle::Normal };
    let text = TextStyle::from(("sans-serif", 14, weight).into_font())
        .color(&line.look.color)
        .pos(Pos::new(HPos::Left, VPos::Center));
    root.draw(&Text::new(line.name, place, text))?;
    Ok(())
}

/// The number, if the scale has a place for it.
fn drawable(cell: Option<f64>, style: Style) -> Option<f64> {
    cell.filter(|&number| number.is_finite() && (number > 0.0 || !style.logarithmic))
}

/// The range of the scale, with some space at both ends.
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

/// A number on the scale, as short as possible.
fn number(number: f64) -> String {
    match number.abs() {
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
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
                // Two numbers of ours, and a mark of the legend.
                assert_eq!(text.matches("<circle").count(), if joined { 2 } else { 3 });
                // One number, and a mark of the legend.
                assert_eq!(text.matches("<polygon").count(), if joined { 1 } else { 2 });
                // Ours is the thickest line.
                assert_eq!(text.contains("stroke-width=\"4\""), joined);
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
