//! The description of a chunk, for users.

use talloc_span::Span;

/// A chunk of an arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// What it is.
    pub kind: ChunkKind,
    /// Where it is; of a block, all bytes that it takes.
    pub span: Span,
}

/// What a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChunkKind {
    /// A block that is allocated.
    Used,
    /// A block that has been freed and is kept in a quick list.
    Cached,
    /// Free.
    Free,
    /// The arena's top: free, and never split but at its lower end.
    Top,
    /// The arena's own: its bitmap and, but for the first arena, its control block.
    Own,
    /// Adjacent blocks, allocated or cached, in a heap that does not know where a block ends: one that is not
    /// [`Checked`](crate::Checked).
    Blocks,
}

impl ChunkKind {
    /// Whether it can be allocated from.
    #[must_use]
    pub fn is_free(self) -> bool {
        matches!(self, Self::Cached | Self::Free | Self::Top)
    }
}

/// See `printed.rs`.
macro_rules! kind {
    ($kind:expr, $say:ident, $f:ident) => {
        match $kind {
            Self::Used => $say!($f, "used"),
            Self::Cached => $say!($f, "cached"),
            Self::Free => $say!($f, "free"),
            Self::Top => $say!($f, "top"),
            Self::Own => $say!($f, "own"),
            Self::Blocks => $say!($f, "blocks"),
        }
    };
}

printed!(ChunkKind, kind);

/// As in `0x1000 48 bytes used`; see `printed.rs`.
macro_rules! chunk {
    ($chunk:expr, $say:ident, $f:ident) => {
        let Chunk { kind, span } = $chunk;
        $say!($f, "{:#x} {} bytes {}", span.base().unwrap_or(0), span.size(), kind)
    };
}

printed!(Chunk, chunk);
