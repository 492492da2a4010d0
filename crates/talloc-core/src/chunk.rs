//! The description of a chunk, for users.

use talloc_span::Span;

/// A chunk of an arena.
///
/// # Examples
///
/// ```
/// use core::alloc::Layout;
/// use talloc_core::{ChunkKind, Span, Talloc};
///
/// let mut memory = [0_u8; 10_000];
/// let mut heap = Talloc::new();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe {
///     heap.init(Span::from(&mut memory));
///     heap.malloc(Layout::new::<[u64; 5]>())?;
/// }
/// for chunk in heap.inspect().memory_map() {
///     println!("{chunk}");
/// }
/// let is_used = |chunk: &talloc_core::Chunk| chunk.kind == ChunkKind::Blocks;
/// assert_eq!(heap.inspect().memory_map().find(is_used).unwrap().span.size(), 40);
/// # Ok::<(), talloc_core::AllocError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The kind of the chunk.
    pub kind: ChunkKind,
    /// The memory of the chunk. For a block, all bytes that it takes.
    pub span: Span,
}

impl Chunk {
    /// Puts chunks in a list, as far as there is `room`, and returns how many there are.
    ///
    /// A heap that is locked or borrowed is listed this way, and what allocates is done with the list afterwards. Takes
    /// time in proportion to the chunks.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Chunk, ChunkKind, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe { heap.init(Span::from(&mut memory)) };
    /// let mut room = [Chunk { kind: ChunkKind::Own, span: Span::empty() }; 10];
    /// let count = Chunk::list(heap.inspect().memory_map(), &mut room);
    /// assert_eq!(count, 2);
    /// assert_eq!(room[1].kind, ChunkKind::Top);
    /// // There is more than fits.
    /// assert_eq!(Chunk::list(heap.inspect().memory_map(), &mut room[..1]), 2);
    /// ```
    pub fn list(chunks: impl IntoIterator<Item = Self>, room: &mut [Self]) -> usize {
        let mut room = room.iter_mut();
        chunks.into_iter().fold(0, |count, chunk| {
            if let Some(place) = room.next() {
                *place = chunk;
            }
            count + 1
        })
    }
}

/// The kind of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChunkKind {
    /// An allocated block.
    Used,
    /// A cached block: freed, and kept in a quick list. Also a free piece of a slab: a block, or what is no block.
    Cached,
    /// A free chunk.
    Free,
    /// The arena's top: free memory that is split only at its lower end.
    Top,
    /// The arena's own chunk, with its bitmap and, in all arenas except the first, its control block.
    Own,
    /// Adjacent blocks, allocated or cached. Only a [`Checked`](crate::Checked) heap knows where each block ends.
    Blocks,
}

impl ChunkKind {
    /// Whether memory of the chunk can be allocated.
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
