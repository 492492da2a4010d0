//! Memory as a picture: rows of cells, each of so many bytes.

use crate::table::bytes;
use std::fmt::Write;
use std::ops::Range;

/// A power of two.
const WIDTH: u64 = 1024;
const ROWS: u64 = 64;
const ROW_HEIGHT: u64 = 10;
const HEADER: u64 = 40;
/// The room for an entry of the legend.
const ENTRY: u64 = 90;

/// How memory is divided into cells.
pub struct Pixels {
    size: u64,
    /// The bytes of a cell.
    bytes: u64,
    /// The cells of a row: a power of two.
    columns: u64,
}

impl Pixels {
    /// The division of so many bytes. There are as many columns as fill the picture with little memory, too.
    pub fn of(size: u64) -> Self {
        let columns = size.div_ceil(ROWS).clamp(1, WIDTH).next_power_of_two();
        Self { size, bytes: size.div_ceil(columns * ROWS).max(1), columns }
    }

    /// The bytes of a cell.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many cells there are.
    pub fn count(&self) -> usize {
        (self.columns * ROWS) as usize
    }

    /// Calls `add` for the cells that a block lies in, with how many of its bytes are in each: once for those that it
    /// fills, and for the first and the last.
    pub fn spread(&self, offset: u64, size: u64, mut add: impl FnMut(Range<usize>, u64)) {
        let (mut at, end) = (offset, offset + size);
        while at < end {
            let (cell, before) = (at / self.bytes, at % self.bytes);
            let (cells, part) = match (end - at) / self.bytes {
                filled @ 1.. if before == 0 => (filled, self.bytes),
                _ => (1, (self.bytes - before).min(end - at)),
            };
            add(cell as usize..(cell + cells) as usize, part);
            at += cells * part;
        }
    }

    /// The scale, in words.
    pub fn scale(&self) -> String {
        let row = self.columns * self.bytes;
        format!("{} from top to bottom, {} a row", bytes(self.size), bytes(row))
    }

    /// A picture with two lines of text, and a legend of colours with their names. `colour` is that of a cell.
    pub fn picture(
        &self,
        title: &str,
        subtitle: &str,
        legend: &[(&str, &str)],
        colour: impl Fn(usize) -> &'static str,
    ) -> String {
        let height = HEADER + ROWS * ROW_HEIGHT + 4;
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
<text x="4" y="16">{}</text>
<text x="4" y="33">{}</text>
"##,
            escape(title),
            escape(subtitle)
        );
        let first = WIDTH - ENTRY * legend.len() as u64;
        for (x, (name, colour)) in (first..).step_by(ENTRY as usize).zip(legend) {
            let text = x + 14;
            add(
                &mut svg,
                format_args!(r#"<rect x="{x}" y="23" width="10" height="10" fill="{colour}"/>"#),
            );
            add(&mut svg, format_args!(r#"<text x="{text}" y="33">{}</text>"#, escape(name)));
        }
        for row in 0..ROWS {
            self.draw_row(&mut svg, row, &colour);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Draws a row: adjacent cells of one colour are one rectangle.
    fn draw_row(&self, svg: &mut String, row: u64, colour: &impl Fn(usize) -> &'static str) {
        let of = |column: u64| colour((row * self.columns + column) as usize);
        let (y, height, cell) = (HEADER + row * ROW_HEIGHT, ROW_HEIGHT - 1, WIDTH / self.columns);
        let mut column = 0;
        while column < self.columns {
            let (first, fill) = (column, of(column));
            while column < self.columns && of(column) == fill {
                column += 1;
            }
            let (start, width) = (first * cell, (column - first) * cell);
            let shape = format_args!(
                r#"<rect x="{start}" y="{y}" width="{width}" height="{height}" fill="{fill}"/>"#
            );
            add(svg, shape);
        }
    }
}

/// Adds a line.
fn add(svg: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(svg, "{line}").expect("a string takes all that is written to it");
}

/// A text in XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_spread_over_the_cells_that_they_lie_in() {
        let pixels = Pixels::of(WIDTH * ROWS * 10);
        let mut parts = vec![];
        pixels.spread(25, 40, |cells, part| parts.push((cells, part)));
        assert_eq!(parts, [(2..3, 5), (3..6, 10), (6..7, 5)]);
        assert_eq!((pixels.bytes(), pixels.columns), (10, WIDTH));
    }

    #[test]
    fn a_block_may_take_all_addresses() {
        let pixels = Pixels::of(u64::MAX);
        let mut parts = vec![];
        pixels.spread(0, u64::MAX, |cells, part| parts.push((cells, part)));
        let last = pixels.count() - 1;
        assert_eq!(parts, [(0..last, pixels.bytes()), (last..last + 1, pixels.bytes() - 1)]);
    }

    #[test]
    fn little_memory_has_wide_cells() {
        for (size, columns, bytes) in [(1, 1, 1), (65, 2, 1), (3300, 64, 1), (70_000, 1024, 2)] {
            let pixels = Pixels::of(size);
            assert_eq!((pixels.columns, pixels.bytes), (columns, bytes), "{size}");
            assert!(pixels.count() as u64 * pixels.bytes >= size);
        }
    }

    #[test]
    fn a_picture_has_a_rectangle_for_each_run_of_a_colour() {
        let pixels = Pixels::of(3300);
        let black = |svg: &str| svg.lines().filter(|l| l.contains(r##"fill="#000""##)).count();
        let legend = [("name", "#123")];
        let svg = pixels.picture("a < b", "", &legend, |cell| ["#000", "#fff"][cell % 2]);
        assert!(svg.contains("a &lt; b") && svg.contains(r##"fill="#123""##), "{svg}");
        assert_eq!(black(&svg), 32 * 64);
        assert_eq!(black(&pixels.picture("", "", &[], |_| "#000")), 64);
    }
}
