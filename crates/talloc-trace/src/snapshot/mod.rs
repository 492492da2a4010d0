//! Snapshots: what lies where in a heap at one time, in a few bytes per chunk.
//!
//! A [`Writer`] writes a snapshot to any [`Sink`], without memory of its own, so a device can send one. A `Reader`
//! and a `Snapshot` (feature `std`) read it. `talloc map SNAPSHOT`, of the crate `talloc-cli`, draws it.
//!
//! A heap of `talloc-global` is written by `write_snapshot` there, with the feature `snapshot`. For another allocator,
//! write what it knows:
//!
//! ```
//! use talloc_trace::Sink;
//! use talloc_trace::snapshot::{Chunk, ChunkKind, Writer};
//!
//! fn send(free_list: impl Iterator<Item = (u64, u64)>, sink: impl Sink) -> bool {
//!     let Some(mut writer) = Writer::start(sink) else { return false };
//!     // All of the heap: what is not listed as free below is in use.
//!     writer.chunk(Chunk { kind: ChunkKind::Blocks, address: 0x2000_0000, size: 65_536 });
//!     for (address, size) in free_list {
//!         writer.chunk(Chunk { kind: ChunkKind::Cached, address, size });
//!     }
//!     writer.finish().is_ok()
//! }
//! # struct Null;
//! # impl Sink for Null { fn write(&mut self, _: &[u8]) -> bool { true } }
//! # assert!(send([(0x2000_0100, 64)].into_iter(), Null));
//! ```
//!
//! # The format
//!
//! The file begins with the magic `AHEAP1` and two zero bytes. Records follow, of a head byte and one or two LEB128
//! varints:
//!
//! | head | kind | what | numbers |
//! |---|---|---|---|
//! | 0 | | the end | how many chunks were lost |
//! | 1 | [`Blocks`](ChunkKind::Blocks) | adjacent blocks, whose bounds are not known | address, size |
//! | 2 | [`Used`](ChunkKind::Used) | an allocated block | address, size |
//! | 3 | [`Cached`](ChunkKind::Cached) | a block that was freed and is kept for reuse | address, size |
//! | 4 | [`Free`](ChunkKind::Free) | a free chunk | address, size |
//! | 5 | [`Top`](ChunkKind::Top) | free memory above all blocks of an arena | address, size |
//! | 6 | [`Own`](ChunkKind::Own) | memory of the allocator itself | address, size |
//!
//! An *address* is the difference from the end of the chunk before (at first, from 0), wrapping, in zigzag form. So the
//! next chunk of an arena has the difference 0, and takes a byte and its size. A *size* is in bytes and not 0. Chunks
//! do not overlap, except for cached ones: each may lie in a chunk of the kind `Blocks`. Nothing follows the end.

use crate::sink::Sink;
use crate::varint::{self, zigzag};

#[cfg(feature = "std")]
mod arranged;
#[cfg(feature = "std")]
mod reader;

#[cfg(feature = "std")]
pub use arranged::Snapshot;
#[cfg(feature = "std")]
pub use reader::{Reader, open, read_from};

pub(crate) const MAGIC: [u8; 8] = *b"AHEAP1\0\0";
pub(crate) const END: u8 = 0;

/// A piece of a heap's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chunk {
    /// What it is.
    pub kind: ChunkKind,
    /// Its lowest address.
    pub address: u64,
    /// Its size in bytes; not 0.
    pub size: u64,
}

/// What a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ChunkKind {
    /// Adjacent blocks, where the heap does not know where one ends.
    Blocks = 1,
    /// An allocated block.
    Used = 2,
    /// A block that was freed and is kept for the next request of its size.
    Cached = 3,
    /// A free chunk.
    Free = 4,
    /// The free memory above all blocks of an arena.
    Top = 5,
    /// Memory of the allocator itself.
    Own = 6,
}

impl ChunkKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Blocks, Self::Used, Self::Cached, Self::Free, Self::Top, Self::Own];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Used => "used",
            Self::Cached => "cached",
            Self::Free => "free",
            Self::Top => "top",
            Self::Own => "own",
        }
    }

    /// Whether a request can be served from it.
    #[must_use]
    pub const fn is_free(self) -> bool {
        matches!(self, Self::Cached | Self::Free | Self::Top)
    }
}

/// Some chunks are not in the snapshot, since the sink did not take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incomplete {
    /// How many chunks were lost.
    pub lost: u64,
    /// Whether the snapshot has its end. If not, readers find it cut short.
    pub has_end: bool,
}

impl core::fmt::Display for Incomplete {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let end = if self.has_end { "" } else { " and its end" };
        write!(f, "the snapshot lacks {} chunks{end}: the sink did not take them", self.lost)
    }
}

impl core::error::Error for Incomplete {}

/// Writes a snapshot to a [`Sink`], in constant memory.
#[derive(Debug)]
pub struct Writer<S> {
    sink: S,
    /// The end of the last chunk that the sink took.
    end: u64,
    lost: u64,
}

impl<S: Sink> Writer<S> {
    /// Begins a snapshot; `None` if the sink does not take the first bytes.
    pub fn start(mut sink: S) -> Option<Self> {
        sink.write(&MAGIC).then_some(Self { sink, end: 0, lost: 0 })
    }

    /// Writes a chunk. Returns whether the sink took it; if not, the end of the snapshot counts it as lost.
    ///
    /// Readers refuse chunks of no bytes, chunks that overlap, and chunks that reach beyond the address space.
    pub fn chunk(&mut self, chunk: Chunk) -> bool {
        let address = zigzag(chunk.address.wrapping_sub(self.end));
        let taken = self.record(chunk.kind as u8, &[address, chunk.size]);
        if taken {
            self.end = chunk.address.wrapping_add(chunk.size);
        } else {
            self.lost += 1;
        }
        taken
    }

    /// Ends the snapshot, and returns the sink.
    ///
    /// # Errors
    ///
    /// If a chunk was lost, or the sink does not take the end.
    pub fn finish(mut self) -> Result<S, Incomplete> {
        let lost = self.lost;
        let has_end = self.record(END, &[lost]);
        if has_end && lost == 0 { Ok(self.sink) } else { Err(Incomplete { lost, has_end }) }
    }

    /// Writes a record in one piece. Returns whether the sink took it.
    fn record(&mut self, head: u8, numbers: &[u64]) -> bool {
        let mut bytes = [0; 1 + 2 * varint::MAX_LEN];
        bytes[0] = head;
        let mut len = 1;
        for number in numbers {
            len += varint::encode(*number, &mut bytes[len..]);
        }
        self.sink.write(&bytes[..len])
    }
}
