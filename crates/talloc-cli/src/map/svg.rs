//! The heap at one time, as SVG.

use super::layout::Layout;
use super::{Block, History};
use crate::cli;
use crate::table::{bytes, count};
use anyhow::{Result, ensure};
use std::fmt::Write;

const WIDTH: u64 = 1024;
const ROWS: u64 = 64;
const ROW_HEIGHT: u64 = 10;
const HEADER: u64 = 40;

pub fn draw(history: &History, args: &cli::Map) -> Result<String> {
    let at = args.at.unwrap_or(history.peak);
    ensure!(at < history.events, "--at {at}: the trace has {} events", history.events);
    let alive: Vec<&Block> =
        history.blocks.iter().filter(|block| block.from <= at && at < block.to).collect();
    let layout = Layout::of(history.blocks.iter());
    let cells = Cells::of(&alive, &layout);

    let mut svg = String::new();
    let height = HEADER + ROWS * ROW_HEIGHT + 4;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">"#
    )?;
    writeln!(svg, r##"<rect width="{WIDTH}" height="{height}" fill="#fff"/>"##)?;
    let live: u64 = alive.iter().map(|block| block.size).sum();
    writeln!(
        svg,
        r#"<text x="4" y="16">{} after event {} of {}: {} in {} blocks</text>"#,
        escape(&history.name),
        count(at),
        count(history.events),
        bytes(live),
        count(alive.len() as u64)
    )?;
    writeln!(
        svg,
        r#"<text x="4" y="33">{}; {} from top to bottom, {} a pixel; darker is fuller</text>"#,
        escape(&history.heap),
        bytes(layout.size()),
        bytes(cells.bytes)
    )?;
    cells.draw(&mut svg)?;
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// How full each pixel is.
struct Cells {
    /// The bytes of a pixel.
    bytes: u64,
    used: Vec<u64>,
}

impl Cells {
    fn of(alive: &[&Block], layout: &Layout) -> Self {
        let number = WIDTH * ROWS;
        let bytes = layout.size().div_ceil(number).max(1);
        let mut used = vec![0; number as usize];
        for block in alive {
            let mut at = layout.offset(block.address);
            let end = at + block.size;
            while at < end {
                let next = ((at / bytes + 1) * bytes).min(end);
                used[(at / bytes) as usize] += next - at;
                at = next;
            }
        }
        Self { bytes, used }
    }

    /// Of eight: nothing, and seven shades.
    fn shade(&self, cell: u64) -> u64 {
        (self.used[cell as usize] * 7).div_ceil(self.bytes).min(7)
    }

    fn draw(&self, svg: &mut String) -> Result<()> {
        for row in 0..ROWS {
            let y = HEADER + row * ROW_HEIGHT;
            let mut x = 0;
            while x < WIDTH {
                let shade = self.shade(row * WIDTH + x);
                let start = x;
                while x < WIDTH && self.shade(row * WIDTH + x) == shade {
                    x += 1;
                }
                let (width, height) = (x - start, ROW_HEIGHT - 1);
                let colour = match shade {
                    0 => "#eee".to_owned(),
                    _ => format!("hsl(212,70%,{}%)", 88 - shade * 8),
                };
                writeln!(
                    svg,
                    r#"<rect x="{start}" y="{y}" width="{width}" height="{height}" fill="{colour}"/>"#
                )?;
            }
        }
        Ok(())
    }
}

/// A text in XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
