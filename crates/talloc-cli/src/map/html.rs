//! The heap as one page that needs nothing else: over time, or at one.

use super::History;
use super::layout::Layout;
use super::sums::Sums;
use crate::cli;
use anyhow::Result;
use serde::Serialize;

const PAGE: &str = include_str!("page.html");

/// Where the data goes in the page.
const PLACE: &str = "/*DATA*/null";

/// More blocks would make the page slow: of more, the largest are drawn.
const MAX_BLOCKS: usize = 200_000;

/// What the page draws.
#[derive(Serialize)]
pub struct Data<'a> {
    pub name: &'a str,
    pub heap: &'a str,
    pub events: u64,
    pub peak: u64,
    /// The events after which the heap can be seen.
    pub points: Vec<u64>,
    /// The bytes that are live at each point, in blocks drawn or not.
    pub live: Vec<u64>,
    /// How many blocks are not drawn.
    pub omitted: usize,
    /// The size of the picture in bytes.
    pub size: u64,
    /// See [`pieces`].
    pub pieces: Vec<(String, String, u64)>,
    /// For each block: offset, size, first point, first point without it, the event of its allocation, call site. In a
    /// snapshot, the last is the kind: an index of `kinds`.
    pub blocks: Vec<[u64; 6]>,
    pub sites: &'a [String],
    /// In a snapshot: the names of the kinds of chunks, and their colours. Else nothing.
    pub kinds: Vec<(&'static str, &'static str)>,
}

pub fn draw(history: &History, args: &cli::Map) -> Result<String> {
    page(&data(history, args.points.into()))
}

/// The page that draws `data`.
pub fn page(data: &Data<'_>) -> Result<String> {
    let data = serde_json::to_string(data)?;
    // Nothing else could end the script, or begin a comment in it.
    Ok(PAGE.replace(PLACE, &data.replace('<', "\\u003c")))
}

/// Keeps no more blocks than a page can draw, the largest. Returns how many are left out.
pub fn keep_largest<T>(blocks: &mut Vec<T>, size: impl Fn(&T) -> u64) -> usize {
    let omitted = blocks.len().saturating_sub(MAX_BLOCKS);
    if omitted > 0 {
        blocks.sort_by_key(|block| std::cmp::Reverse(size(block)));
        blocks.truncate(MAX_BLOCKS);
    }
    omitted
}

/// The first address, the end and the offset of each piece of a layout; addresses as texts, since they may exceed 2^53.
pub fn pieces(layout: &Layout) -> Vec<(String, String, u64)> {
    let pieces = layout.pieces().iter();
    pieces
        .map(|piece| (format!("{:#x}", piece.start), format!("{:#x}", piece.end), piece.offset))
        .collect()
}

fn data(history: &History, number: u64) -> Data<'_> {
    let points = points(history, number);
    // A block is seen from the first point not before its beginning to the first not before its end.
    let first = |event: u64| points.partition_point(|point| *point < event);
    let seen = history.blocks.iter().map(|block| (block, first(block.from), first(block.to)));
    let mut seen: Vec<_> = seen.filter(|(_, from, to)| from < to).collect();
    let mut live = Sums::new(points.len());
    seen.iter().for_each(|(block, from, to)| live.add(*from..*to, block.size));
    let live = live.finish();
    let omitted = keep_largest(&mut seen, |(block, ..)| block.size);
    let layout = Layout::of(seen.iter().map(|(block, ..)| (block.address, block.size)));
    let mut blocks: Vec<[u64; 6]> = seen
        .iter()
        .map(|(block, from, to)| {
            let offset = layout.offset(block.address);
            [offset, block.size, *from as u64, *to as u64, block.born, block.site.into()]
        })
        .collect();
    blocks.sort_unstable();
    Data {
        name: &history.name,
        heap: &history.heap,
        events: history.events,
        peak: history.peak,
        size: layout.size(),
        pieces: pieces(&layout),
        points,
        live,
        omitted,
        blocks,
        sites: &history.sites,
        kinds: vec![],
    }
}

/// Events at equal distances, and the one of the peak.
fn points(history: &History, number: u64) -> Vec<u64> {
    let last = history.events - 1;
    let mut points: Vec<u64> = (1..=number).map(|point| last * point / number).collect();
    points.push(history.peak);
    points.sort_unstable();
    points.dedup();
    points
}

#[cfg(test)]
mod tests {
    use super::super::Block;
    use super::*;

    #[test]
    fn blocks_are_seen_at_the_points_of_their_lives() {
        let block = |address, from, to| Block { address, size: 8, from, to, born: from, site: 0 };
        let history = History {
            name: "</script>".into(),
            heap: "test".into(),
            events: 101,
            peak: 33,
            blocks: vec![block(0, 0, 50), block(8, 31, 32), block(16, 33, u64::MAX)],
            sites: vec![],
        };
        let data = data(&history, 10);
        assert_eq!(data.points, [10, 20, 30, 33, 40, 50, 60, 70, 80, 90, 100]);
        // The second block is not seen: it lived between two points.
        assert_eq!(data.blocks, [[0, 8, 0, 5, 0, 0], [16, 8, 3, 11, 33, 0]]);
        assert_eq!(data.live, [8, 8, 8, 16, 16, 8, 8, 8, 8, 8, 8]);
        assert!(PAGE.contains(PLACE));
    }
}
