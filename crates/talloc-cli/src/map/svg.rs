//! The heap at one time, as SVG.

use super::layout::Layout;
use super::pixels::Pixels;
use super::sums::Sums;
use super::{Block, History};
use crate::cli;
use crate::table::{bytes, count};
use anyhow::{Result, ensure};

/// Of a pixel in which nothing lies, and of those that are fuller and fuller.
const SHADES: [&str; 8] =
    ["#eee", "#9bbfed", "#7fadea", "#649be6", "#4989e2", "#2e77dd", "#2167ca", "#1d5bb2"];

pub fn draw(history: &History, args: &cli::Map) -> Result<String> {
    let at = args.at.unwrap_or(history.peak);
    ensure!(at < history.events, "--at {at}: the trace has {} events", history.events);
    let alive: Vec<&Block> =
        history.blocks.iter().filter(|block| block.from <= at && at < block.to).collect();
    let layout = Layout::of(history.blocks.iter().map(|block| (block.address, block.size)));
    let pixels = Pixels::of(layout.size());
    let mut used = Sums::new(pixels.count());
    for block in &alive {
        let offset = layout.offset(block.address);
        pixels.spread(offset, block.size, |cells, part| used.add(cells, part));
    }
    let used = used.finish();

    let live: u64 = alive.iter().map(|block| block.size).sum();
    let title = format!(
        "{} after event {} of {}: {} in {} blocks",
        history.name,
        count(at),
        count(history.events),
        bytes(live),
        count(alive.len() as u64)
    );
    let subtitle = format!("{}; {}; darker is fuller", history.heap, pixels.scale());
    let shade = |pixel: usize| {
        let sevenths = (u128::from(used[pixel]) * 7).div_ceil(pixels.bytes().into());
        SHADES[sevenths.min(7) as usize]
    };
    Ok(pixels.picture(&title, &subtitle, &[], shade))
}
