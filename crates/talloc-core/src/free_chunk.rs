//! The handle to a free chunk.

/// A free chunk: its place and its size.
///
/// It is not `Copy`. Functions that split a chunk take the handle by value, so no stale handle remains.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FreeChunk {
    at: usize,
    len: usize,
}

impl FreeChunk {
    /// The chunk of `len` granules at `at`.
    #[inline(always)]
    pub(crate) fn new(at: usize, len: usize) -> Self {
        debug_assert!(len > 0);
        Self { at, len }
    }

    /// The first granule.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// How many granules there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// One past the last granule.
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.at + self.len
    }
}
