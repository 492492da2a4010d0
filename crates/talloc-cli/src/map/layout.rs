//! Addresses to places in a picture.

/// Addresses without the gaps in which nothing ever lies.
///
/// A heap of the operating system has its blocks in pieces that lie terabytes apart. What is less than [`GAP`] from
/// the next block is drawn at its distance.
pub struct Layout {
    /// The pieces: the first address, the first address above, and where the first is in the picture.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub start: u64,
    pub end: u64,
    pub offset: u64,
}

impl Piece {
    /// Where the next piece is in the picture.
    ///
    /// Pieces do not overlap, and have gaps between them: only one that takes all addresses has no room to be aligned.
    fn end_offset(&self) -> u64 {
        let size = self.end - self.start;
        self.offset + size.checked_next_multiple_of(ALIGN).unwrap_or(size)
    }
}

/// A gap that is left out.
const GAP: u64 = 1 << 20;

/// The boundaries of a piece.
const ALIGN: u64 = 64;

impl Layout {
    /// The layout of blocks, each of an address and a size.
    pub fn of(blocks: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut ranges: Vec<(u64, u64)> =
            blocks.map(|(address, size)| (address, address.saturating_add(size.max(1)))).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = vec![];
        for (start, end) in ranges {
            match merged.last_mut() {
                Some(last) if start <= last.1.saturating_add(GAP) => last.1 = last.1.max(end),
                _ => merged.push((start / ALIGN * ALIGN, end)),
            }
        }
        let mut offset = 0;
        let pieces = merged.into_iter().map(|(start, end)| {
            let piece = Piece { start, end, offset };
            offset = piece.end_offset();
            piece
        });
        Self { pieces: pieces.collect() }
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The size of the picture in bytes.
    pub fn size(&self) -> u64 {
        self.pieces.last().map_or(0, Piece::end_offset)
    }

    /// Where an address is in the picture, which must be that of a block.
    pub fn offset(&self, address: u64) -> u64 {
        let index = self.pieces.partition_point(|piece| piece.start <= address);
        let piece = self.pieces[index - 1];
        piece.offset + (address - piece.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_left_out() {
        let far = 1 << 40;
        let blocks = [(1000, 24), (5000, 100), (far, 64), (4000, 500)];
        let layout = Layout::of(blocks.into_iter());
        assert_eq!(layout.pieces().len(), 2);
        assert_eq!(layout.pieces()[0], Piece { start: 960, end: 5100, offset: 0 });
        assert_eq!(layout.offset(1000), 40);
        assert_eq!(layout.offset(far), 4160);
        assert_eq!(layout.size(), 4224);
    }

    #[test]
    fn all_addresses_have_a_place() {
        let all = Layout::of([(0, u64::MAX)].into_iter());
        assert_eq!((all.size(), all.offset(u64::MAX - 1)), (u64::MAX, u64::MAX - 1));
        let ends = Layout::of([(0, 1), (u64::MAX, 0)].into_iter());
        assert_eq!((ends.pieces().len(), ends.offset(u64::MAX), ends.size()), (2, 127, 128));
    }
}
