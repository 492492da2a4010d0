//! The heap of a WebAssembly module.

use core::fmt;

use talloc_sync::{Chunk, Report, SizeClasses, Statistics, Violation, allocator, global_alloc};

use super::WasmSource;
use super::parameters::{Heap, WasmDefault, WasmParameters};

/// A heap in the memory of a WebAssembly module, which it grows.
///
/// If the target has the feature `atomics`, threads may share the heap. It is then behind a
/// [`Backoff`](talloc_sync::lock::Backoff) lock. That lock does not put threads to sleep, because the main thread of a
/// browser must not sleep. Without `atomics`, there is no lock.
///
/// The parameters [`WasmDefault`], the default, and [`WasmSmall`](crate::source::WasmSmall) select a heap that is made
/// for memory that grows at its end. It needs a fraction of the code. It has only one arena, even if other code grows the
/// memory, so it never searches for a block's arena. The parameters of a [`Config`](crate::Config), such as
/// [`Checked`](crate::config::Checked), select a [`Talloc`](crate::Talloc) with a [`WasmSource`].
///
/// # Growth
///
/// The heap grows by at least an eighth of its size. If the memory cannot grow so far, the heap grows by the bytes that
/// the request needs. If the memory cannot grow at all, the request fails, and the allocated blocks are unchanged. Memory is never
/// returned: WebAssembly has no instruction for that.
///
/// Other code may grow the memory at any time with `memory.grow`. The heap's bitmap then covers that memory, too, and
/// takes a 64th of its size when the heap next grows.
///
/// # Emscripten
///
/// On `wasm32-unknown-emscripten`, this crate does not compile: Emscripten's `sbrk` hands out all memory up to the end,
/// even the pieces that this heap has added. Use the system's allocator there, or a [`Talloc`](crate::Talloc) with
/// arenas from `malloc`.
///
/// # Examples
///
/// ```ignore
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: WasmTalloc = WasmTalloc::new();
/// ```
pub struct WasmTalloc<P: WasmParameters = WasmDefault>(P::Heap);

impl WasmTalloc {
    /// Makes a heap that gets its first memory when it is first used.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_config()
    }
}

impl<P: WasmParameters> WasmTalloc<P> {
    /// Makes a heap with the parameters `P`; otherwise like [`new`](WasmTalloc::new).
    #[must_use]
    pub const fn with_config() -> Self {
        Self::with_source(WasmSource::new())
    }

    /// Makes a heap that gets its memory from `source`.
    #[must_use]
    pub const fn with_source(source: WasmSource) -> Self {
        // The caller of `WasmSource::with_rest` vouched for the rest of the initial memory.
        if source.has_rest { Self(P::Heap::WITH_REST) } else { Self(P::Heap::NEW) }
    }

    /// Coalesces all blocks in the quick lists, if these parameters have any; see
    /// [`Talloc::flush`](crate::Talloc::flush).
    pub fn flush(&self) {
        self.0.flush();
    }

    /// Returns the heap's counters; see [`Inspect::statistics`](crate::inspect::Inspect::statistics). Takes constant time.
    ///
    /// With [`WasmSmall`](crate::source::WasmSmall), operations count nothing, which saves code. This method then counts
    /// all chunks. The peak is all memory that has ever been in use, even if never at once.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.statistics()
    }

    /// Returns the bytes of all allocated blocks.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.0.statistics().used_bytes
    }

    /// Returns the free bytes.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.0.statistics().free_bytes
    }

    /// Returns the most bytes that have been in use at once, including blocks in quick lists.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.0.statistics().peak_bytes
    }

    /// Returns the size of the largest free chunk in bytes; see
    /// [`Inspect::largest_free_bytes`](crate::inspect::Inspect::largest_free_bytes). Takes time in proportion to the free
    /// chunks of about that size.
    #[must_use]
    pub fn largest_free_bytes(&self) -> usize {
        self.0.largest_free_bytes()
    }

    /// Returns the free chunks by size class; see [`Inspect::size_classes`](crate::inspect::Inspect::size_classes). Takes
    /// time in proportion to the number of free chunks and to a 512th of the memory's bytes.
    #[must_use]
    pub fn size_classes(&self) -> SizeClasses {
        self.0.size_classes()
    }

    /// Lists the free chunks in address order, then the top, then the blocks in the quick lists, until `room` is full.
    /// Returns the number of all of them. Takes as long as [`size_classes`](Self::size_classes).
    ///
    /// `room` may be an array, or a vector that this heap has allocated. Its contents are overwritten with a snapshot of
    /// the heap.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// use talloc_global::{inspect::{Chunk, ChunkKind}, *};
    ///
    /// let mut room = [Chunk { kind: ChunkKind::Own, span: Span::empty() }; 100];
    /// let count = ALLOCATOR.free_chunks(&mut room);
    /// let largest = room.iter().take(count).map(|chunk| chunk.span.size()).max();
    /// ```
    pub fn free_chunks(&self, room: &mut [Chunk]) -> usize {
        self.0.free_chunks(room)
    }

    /// Lists the chunks that cover the heap's memory, until `room` is full, and returns the number of all of them; see
    /// [`Inspect::memory_map`](crate::inspect::Inspect::memory_map). Takes as long as
    /// [`size_classes`](Self::size_classes).
    ///
    /// With [`WasmDefault`] and [`WasmSmall`](crate::source::WasmSmall), memory of other code between two pieces of the
    /// heap's memory is part of a chunk of the kind [`Blocks`](crate::inspect::ChunkKind::Blocks), as if it were a block.
    ///
    /// `write_chunks` (feature `snapshot`) makes a snapshot of the list, which `talloc map` draws.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// use talloc_global::{inspect::{Chunk, ChunkKind, write_chunks}, *};
    ///
    /// let mut room = vec![Chunk { kind: ChunkKind::Own, span: Span::empty() }; 1000];
    /// let count = ALLOCATOR.memory_map(&mut room).min(room.len());
    /// write_chunks(room.drain(..count), &mut sink)?;
    /// ```
    pub fn memory_map(&self, room: &mut [Chunk]) -> usize {
        self.0.memory_map(room)
    }

    /// Checks every invariant of the heap, and counts chunks and bytes; see
    /// [`Talloc::verify`](crate::Talloc::verify).
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found. A heap with a violation must not be used any more.
    pub fn verify(&self) -> Result<Report, Violation> {
        self.0.verify()
    }
}

impl<P: WasmParameters> Default for WasmTalloc<P> {
    fn default() -> Self {
        Self::with_config()
    }
}

// SAFETY: A value is the same heap at each call, wherever it lies. Copies of a reference borrow the same value.
global_alloc!(unsafe impl[P: WasmParameters] for WasmTalloc<P>, |heap| &heap.0);
allocator!(unsafe impl[P: WasmParameters] for &WasmTalloc<P>, |heap| &heap.0);

/// Prints the size of the heap's memory, or its [`Outline`](crate::inspect::Outline).
impl<P: WasmParameters> fmt::Debug for WasmTalloc<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.print(f)
    }
}
