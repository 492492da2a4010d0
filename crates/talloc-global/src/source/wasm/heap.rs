//! The heap of a WebAssembly module.

use core::fmt;

use talloc_sync::{Chunk, Report, SizeClasses, Statistics, Violation, allocator, global_alloc};

use super::WasmSource;
use super::parameters::{Heap, WasmDefault, WasmParameters};

/// A heap whose memory is the module's own, which grows.
///
/// Where the target has the feature `atomics`, and so perhaps threads, it is behind a
/// [`Backoff`](talloc_sync::lock::Backoff) lock, which does not put threads to sleep, as the main one
/// of a browser must not; else there is no lock.
///
/// With the parameters [`WasmDefault`], the default, and [`WasmSmall`](crate::source::WasmSmall), it is a heap made for a
/// memory that grows at its end: a fraction of the code, one arena whoever else makes the memory grow, and
/// no search for a block's arena. With those of a [`Config`](crate::Config), such as
/// [`Checked`](crate::config::Checked), it is a [`Talloc`](crate::Talloc) with a [`WasmSource`].
///
/// # How the memory grows
///
/// By an eighth of what the heap has at the least, or, if it cannot grow as far, by what is needed for
/// the request. If it cannot grow at all, the request fails, and nothing has changed. Memory is never given
/// back, as there is no instruction for it.
///
/// Others may make the memory grow at any time, with their own `memory.grow`. A 64th of theirs is needed
/// for the heap's bitmap when it grows next.
///
/// # Emscripten
///
/// On `wasm32-unknown-emscripten`, this crate does not compile: `sbrk` of that system hands out all memory up
/// to the end, whoever made it grow. Use the system's allocator there, or a [`Talloc`](crate::Talloc) whose
/// arenas are from `malloc`.
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
    /// A heap that has no memory until it is first used.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_config()
    }
}

impl<P: WasmParameters> WasmTalloc<P> {
    /// [`new`](WasmTalloc::new), with the parameters `P`.
    #[must_use]
    pub const fn with_config() -> Self {
        Self::with_source(WasmSource::new())
    }

    /// A heap that asks `source` for memory.
    #[must_use]
    pub const fn with_source(source: WasmSource) -> Self {
        // Whoever made such a source may use what it gives.
        if source.has_rest { Self(P::Heap::WITH_REST) } else { Self(P::Heap::NEW) }
    }

    /// Coalesces all blocks in the quick lists, if these parameters have any; see
    /// [`Talloc::flush`](crate::Talloc::flush).
    pub fn flush(&self) {
        self.0.flush();
    }

    /// All that the heap counts; see [`Inspect::statistics`](crate::inspect::Inspect::statistics). Takes constant time.
    ///
    /// [`WasmSmall`](crate::source::WasmSmall), whose code is to be small, counts nothing all the time: its chunks are counted
    /// now, and the peak is all that has ever been in use, at whatever time.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.statistics()
    }

    /// Bytes of all blocks that are allocated.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.0.statistics().used_bytes
    }

    /// Bytes that are free.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.0.statistics().free_bytes
    }

    /// The most bytes that have been in use at once, those in quick lists included.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.0.statistics().peak_bytes
    }

    /// Bytes of the largest free chunk; see
    /// [`Inspect::largest_free_bytes`](crate::inspect::Inspect::largest_free_bytes). Takes time in proportion to the free
    /// chunks of about that size.
    #[must_use]
    pub fn largest_free_bytes(&self) -> usize {
        self.0.largest_free_bytes()
    }

    /// What is free, by size; see [`Inspect::size_classes`](crate::inspect::Inspect::size_classes). Takes time in
    /// proportion to the free chunks, and to one 512th of the memory's bytes.
    #[must_use]
    pub fn size_classes(&self) -> SizeClasses {
        self.0.size_classes()
    }

    /// Lists the free chunks in address order, the top, and the blocks in the quick lists, as far as there is `room`.
    /// Returns how many there are. Takes time as [`size_classes`](Self::size_classes) does.
    ///
    /// The room may be a vector of this heap, or an array. What is in it is written over, and then tells what the heap had
    /// at that time.
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

    /// Lists what lies where in the heap's memory, as far as there is `room`, and returns how many chunks there are; see
    /// [`Inspect::memory_map`](crate::inspect::Inspect::memory_map). Takes time as [`size_classes`](Self::size_classes)
    /// does.
    ///
    /// With [`WasmDefault`] and [`WasmSmall`](crate::source::WasmSmall), memory of others between two pieces of the heap's
    /// is part of a chunk of the kind [`Blocks`](crate::inspect::ChunkKind::Blocks), as if it were a block.
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

    /// Checks every invariant of the heap, and counts what there is; see
    /// [`Talloc::verify`](crate::Talloc::verify).
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found. The heap must not be used any more then.
    pub fn verify(&self) -> Result<Report, Violation> {
        self.0.verify()
    }
}

impl<P: WasmParameters> Default for WasmTalloc<P> {
    fn default() -> Self {
        Self::with_config()
    }
}

// SAFETY: It is one heap, wherever it lies. A reference to it borrows it, and so do copies of the reference.
global_alloc!(unsafe impl[P: WasmParameters] for WasmTalloc<P>, |heap| &heap.0);
allocator!(unsafe impl[P: WasmParameters] for &WasmTalloc<P>, |heap| &heap.0);

/// Prints how much memory the heap has, or its [`Outline`](crate::inspect::Outline).
impl<P: WasmParameters> fmt::Debug for WasmTalloc<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.print(f)
    }
}
