//! The results of checking a heap.

use core::error::Error;

use talloc_span::Span;

/// The counts of [`verify`](crate::Talloc::verify), over all arenas.
///
/// `used_bytes + free_bytes + overhead_bytes` is `arena_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Number of arenas.
    pub arenas: usize,
    /// Bytes of the arenas, as they were given.
    pub arena_bytes: usize,
    /// Number of free chunks, including tops that are not empty, without cached blocks.
    pub free_chunks: usize,
    /// Free bytes: in free chunks, in the tops, in quick lists and in slabs.
    pub free_bytes: usize,
    /// Bytes of the largest free chunk.
    pub largest_free_bytes: usize,
    /// Bytes of the tops.
    pub top_bytes: usize,
    /// Number of blocks in quick lists, and of free pieces of [slabs](crate::Slab).
    pub cached_blocks: usize,
    /// Bytes of the blocks in quick lists, and free bytes of slabs.
    pub cached_bytes: usize,
    /// Bytes of allocated blocks, each rounded up to what a block takes.
    pub used_bytes: usize,
    /// Number of allocated blocks. Only a [`Checked`](crate::Checked) heap knows it.
    pub used_blocks: Option<usize>,
    /// Number of blocks outside of the arenas, which a wrapper around the heap manages.
    pub mapped_blocks: usize,
    /// Bytes of these blocks. `arena_bytes` does not include them.
    pub mapped_bytes: usize,
    /// Bytes of the arenas' bitmaps and control blocks, and of unusable bytes at their ends.
    ///
    /// The heap structure itself does not count. `size_of` tells its size.
    pub overhead_bytes: usize,
    /// The most bytes of the arenas that have ever been in use, including overhead, to within 4 KiB for each arena.
    pub high_water_bytes: usize,
}

impl Report {
    /// Counts a free chunk of `bytes` bytes.
    pub(crate) fn count_free(&mut self, bytes: usize) {
        self.free_chunks += 1;
        self.free_bytes += bytes;
        self.largest_free_bytes = self.largest_free_bytes.max(bytes);
    }

    /// The sum of two reports of different heaps.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.arenas += other.arenas;
        self.arena_bytes += other.arena_bytes;
        self.free_chunks += other.free_chunks;
        self.free_bytes += other.free_bytes;
        self.largest_free_bytes = self.largest_free_bytes.max(other.largest_free_bytes);
        self.top_bytes += other.top_bytes;
        self.cached_blocks += other.cached_blocks;
        self.cached_bytes += other.cached_bytes;
        self.used_bytes = self.used_bytes.wrapping_add(other.used_bytes);
        self.used_blocks = self.used_blocks.zip(other.used_blocks).map(|(a, b)| a + b);
        self.mapped_blocks += other.mapped_blocks;
        self.mapped_bytes += other.mapped_bytes;
        self.overhead_bytes += other.overhead_bytes;
        self.high_water_bytes += other.high_water_bytes;
        self
    }

    /// Counts a cached block, which has been counted as used.
    pub(crate) fn count_cached(&mut self, bytes: usize) {
        self.cached_blocks += 1;
        self.cached_bytes += bytes;
        // Another heap counts a stray as used. The sum over all heaps is right.
        self.used_bytes = self.used_bytes.wrapping_sub(bytes);
        self.free_bytes += bytes;
    }
}

/// All of it in one line; see `printed.rs`.
macro_rules! report {
    ($report:expr, $say:ident, $f:ident) => {
        let report = $report;
        let (arenas, bytes, used) = (report.arenas, report.arena_bytes, report.used_bytes);
        $say!($f, "arenas: {}, of {} bytes; used: {}", arenas, bytes, used);
        if let Some(blocks) = report.used_blocks {
            $say!($f, " in {} blocks", blocks);
        }
        let (chunks, largest) = (report.free_chunks, report.largest_free_bytes);
        $say!($f, "; free: {}, the largest of {} chunks {}", report.free_bytes, chunks, largest);
        $say!($f, ", cached {}; overhead: {}", report.cached_bytes, report.overhead_bytes);
        $say!($f, "; most in use so far: {}", report.high_water_bytes);
        if report.mapped_blocks > 0 {
            let (bytes, blocks) = (report.mapped_bytes, report.mapped_blocks);
            $say!($f, "; kept apart: {} in {} blocks", bytes, blocks);
        }
    };
}

printed!(Report, report);

/// An invariant of a heap that does not hold. The program has written to memory that it does not own, or has freed a
/// block wrongly, or the heap has a defect.
///
/// Addresses are in bytes. The invariants I1 to I15 are listed in the
/// [crate's documentation](crate#invariants).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// I1: the bounds of an arena are out of order, or its bitmap does not cover it.
    Bounds {
        /// The arena.
        arena: Span,
    },
    /// I2: a free chunk has no size, or reaches beyond the top.
    Size {
        /// Where the chunk is.
        addr: usize,
    },
    /// I2: a free chunk has different sizes at its ends.
    SizesDiffer {
        /// Where the chunk is.
        addr: usize,
    },
    /// I3: the last granule of a free chunk is not marked.
    MarkMissing {
        /// Where the chunk is.
        addr: usize,
    },
    /// I3: a granule is marked that is neither the first nor the last one of a free chunk.
    MarkStray {
        /// Where the granule is.
        addr: usize,
    },
    /// I4: two free chunks touch, or one touches the top.
    NotCoalesced {
        /// Where the lower one is.
        addr: usize,
    },
    /// I5: a chunk in a bin does not link back to the chunk before it, or to the bin.
    BackLink {
        /// Where the chunk is.
        addr: usize,
    },
    /// I6: a link leads to something that is no free chunk of the bin's sizes.
    NotInBin {
        /// Where the link leads.
        addr: usize,
    },
    /// I6: the bins hold more or fewer chunks than are free.
    BinCount {
        /// The arena.
        arena: Span,
    },
    /// I7: the map is wrong about whether a bin is empty.
    Map {
        /// The number of the bin.
        bin: usize,
    },
    /// I8: the arena's own chunk is not used, or in the wrong place.
    Own {
        /// The arena.
        arena: Span,
    },
    /// I8: in a hardened heap with canaries, the canary behind an arena's bitmap was changed.
    OwnCanary {
        /// Where the canary is.
        addr: usize,
    },
    /// I9: a block in a quick list is not used, or is of another kind of memory than the first arena. In a checked
    /// heap, also if it is not marked as cached.
    CachedBlock {
        /// Where it is.
        addr: usize,
    },
    /// I9: the quick lists do not hold as many granules as they count, or hold more than they may.
    CachedCount,
    /// I12: the heap's count of bytes in use is not that of its arenas.
    UsedCount,
    /// I11: in a checked heap, a granule is wrongly marked as the first one of a block, or a mark is missing.
    BlockMark {
        /// The chunk at or before which the marks are wrong.
        addr: usize,
    },
    /// I10: two arenas overlap.
    ArenasOverlap {
        /// One of them.
        arena: Span,
    },
    /// I10: the arena where requests begin is not one of the heap's.
    NotAnArena,
    /// I14: memory that no block has used is not zero, although the heap takes it for zero.
    NotZero {
        /// The first byte that is not zero.
        addr: usize,
    },
    /// I15: the entry of a slab disagrees with its memory, or its numbers with each other.
    Slab {
        /// The address of the slab.
        addr: usize,
    },
    /// I15: the lists of slabs do not contain the slabs that are on lists.
    SlabLists,
    /// I13: the index lacks an arena, contains a wrong one, or is wrong about the free memory of one.
    Index,
}

impl Violation {
    /// The address of what is wrong, if one is known.
    pub(crate) fn addr(self) -> Option<usize> {
        match self {
            Self::Size { addr }
            | Self::SizesDiffer { addr }
            | Self::MarkMissing { addr }
            | Self::MarkStray { addr }
            | Self::NotCoalesced { addr }
            | Self::BackLink { addr }
            | Self::NotInBin { addr }
            | Self::OwnCanary { addr }
            | Self::CachedBlock { addr }
            | Self::NotZero { addr }
            | Self::Slab { addr }
            | Self::BlockMark { addr } => Some(addr),
            Self::Bounds { arena }
            | Self::BinCount { arena }
            | Self::Own { arena }
            | Self::ArenasOverlap { arena } => arena.base(),
            Self::Map { .. }
            | Self::CachedCount
            | Self::UsedCount
            | Self::SlabLists
            | Self::NotAnArena
            | Self::Index => None,
        }
    }
}

/// What is wrong; see `printed.rs`.
macro_rules! violation {
    ($violation:expr, $say:ident, $f:ident) => {
        match $violation {
            Self::Bounds { arena } => {
                $say!($f, "the bounds of the arena {} are out of order", arena)
            }
            Self::Size { addr } => {
                $say!($f, "the free chunk at {:#x} has an impossible size", addr)
            }
            Self::SizesDiffer { addr } => {
                $say!($f, "the free chunk at {:#x} has different sizes at its ends", addr)
            }
            Self::MarkMissing { addr } => {
                $say!($f, "the end of the free chunk at {:#x} is not marked", addr)
            }
            Self::MarkStray { addr } => {
                $say!($f, "{:#x} is marked, but is no end of a free chunk", addr)
            }
            Self::NotCoalesced { addr } => {
                $say!($f, "the free chunk at {:#x} touches another one", addr)
            }
            Self::BackLink { addr } => {
                $say!($f, "the free chunk at {:#x} does not link back", addr)
            }
            Self::NotInBin { addr } => {
                $say!($f, "a bin links to {:#x}, which is no free chunk of its sizes", addr)
            }
            Self::BinCount { arena } => {
                $say!($f, "the bins of the arena {} do not hold its free chunks", arena)
            }
            Self::Map { bin } => $say!($f, "the map is wrong about bin {}", bin),
            Self::Own { arena } => $say!($f, "the own chunk of the arena {} is not used", arena),
            Self::OwnCanary { addr } => {
                $say!($f, "the canary behind a bitmap was changed, it is at {:#x}", addr)
            }
            Self::BlockMark { addr } => {
                $say!($f, "the marks of the blocks are wrong at {:#x}", addr)
            }
            Self::CachedBlock { addr } => {
                $say!($f, "the quick lists hold {:#x}, which is no used block", addr)
            }
            Self::NotZero { addr } => {
                $say!($f, "the unused memory at {:#x} is not zero", addr)
            }
            Self::Slab { addr } => $say!($f, "the slab at {:#x} is not what its entry says", addr),
            Self::SlabLists => $say!($f, "the lists of slabs do not contain the listed slabs"),
            Self::CachedCount => $say!($f, "the quick lists have lost count"),
            Self::UsedCount => $say!($f, "the heap has lost count of what is in use"),
            Self::ArenasOverlap { arena } => $say!($f, "the arena {} overlaps another one", arena),
            Self::Index => $say!($f, "the index of the arenas is wrong"),
            Self::NotAnArena => $say!($f, "the heap refers to an arena it does not have"),
        }
    };
}

printed!(Violation, violation);

impl Error for Violation {}
