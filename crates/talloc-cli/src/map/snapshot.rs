//! What a snapshot of a heap shows: every chunk, by its kind.

use super::html::{self, Data};
use super::layout::Layout;
use super::pixels::Pixels;
use crate::table::{bytes, count, percent};
use anyhow::Result;
use talloc_trace::snapshot::{Chunk, ChunkKind, Snapshot};

/// The colour of each kind, in the order of [`ChunkKind::ALL`].
const COLOURS: [&str; 6] = ["#4989e2", "#4989e2", "#8fd3a7", "#e8e3d3", "#f4f1e8", "#d9822b"];

fn index(kind: ChunkKind) -> usize {
    kind as usize - ChunkKind::Blocks as usize
}

/// A snapshot with the numbers that are shown beside it.
pub struct Drawing<'a> {
    name: String,
    snapshot: &'a Snapshot,
    layout: Layout,
}

impl<'a> Drawing<'a> {
    /// A drawing of `snapshot`, which has a chunk.
    pub fn of(name: String, snapshot: &'a Snapshot) -> Self {
        let places = snapshot.chunks.iter().map(|chunk| (chunk.address, chunk.size));
        Self { name, snapshot, layout: Layout::of(places) }
    }

    /// The bytes in use, and what there is of free memory.
    fn summary(&self) -> String {
        let used = [ChunkKind::Blocks, ChunkKind::Used].map(|kind| self.snapshot.bytes(kind));
        let free = self.snapshot.chunks.iter().filter(|chunk| chunk.kind.is_free());
        let sizes: Vec<u64> = free.map(|chunk| chunk.size).collect();
        let (total, largest) = (sizes.iter().sum(), sizes.iter().max().copied().unwrap_or(0));
        let lost = match self.snapshot.lost {
            0 => String::new(),
            lost => format!("; {} chunks were lost", count(lost)),
        };
        format!(
            "{} in use; {} free in {} chunks, the largest {}: {} fragmentation{lost}",
            bytes(used.iter().sum()),
            bytes(total),
            count(sizes.len() as u64),
            bytes(largest),
            percent(total - largest, total)
        )
    }

    /// The kinds that there are, with their colours.
    fn legend(&self) -> Vec<(&'static str, &'static str)> {
        let has = |kind: &ChunkKind| self.snapshot.chunks.iter().any(|chunk| chunk.kind == *kind);
        let kinds = ChunkKind::ALL.into_iter().filter(has);
        kinds.map(|kind| (kind.name(), COLOURS[index(kind)])).collect()
    }

    /// As SVG. The colour of a pixel is that of the kind that takes most of it.
    pub fn svg(&self) -> String {
        let pixels = Pixels::of(self.layout.size());
        let mut kinds = vec![[0; ChunkKind::ALL.len()]; pixels.count()];
        for Chunk { kind, address, size } in &self.snapshot.chunks {
            let offset = self.layout.offset(*address);
            pixels.spread(offset, *size, |cells, part| {
                kinds[cells].iter_mut().for_each(|kinds| kinds[index(*kind)] += part);
            });
        }
        let colour = |pixel: usize| {
            let most = (0..COLOURS.len()).max_by_key(|kind| kinds[pixel][*kind]).unwrap_or(0);
            if kinds[pixel][most] > 0 { COLOURS[most] } else { "#fff" }
        };
        let title = format!("{}: {}", self.name, self.summary());
        pixels.picture(&title, &pixels.scale(), &self.legend(), colour)
    }

    /// As a page.
    pub fn html(&self) -> Result<String> {
        let legend = self.legend();
        let mut chunks: Vec<&Chunk> = self.snapshot.chunks.iter().collect();
        let omitted = html::keep_largest(&mut chunks, |chunk| chunk.size);
        let block = |chunk: &&Chunk| {
            let kind = legend.iter().position(|(name, _)| *name == chunk.kind.name());
            let kind = kind.map_or(0, |index| index as u64);
            [self.layout.offset(chunk.address), chunk.size, 0, 1, 0, kind]
        };
        let mut blocks: Vec<[u64; 6]> = chunks.iter().map(block).collect();
        blocks.sort_unstable();
        html::page(&Data {
            name: &self.name,
            heap: &self.summary(),
            events: 1,
            peak: 0,
            points: vec![0],
            live: vec![0],
            omitted,
            size: self.layout.size(),
            pieces: html::pieces(&self.layout),
            blocks,
            sites: &[],
            kinds: legend,
        })
    }
}
