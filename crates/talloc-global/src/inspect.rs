//! What is in a heap: statistics, reports of `verify`, and walks of its chunks.

#[cfg(feature = "snapshot")]
pub use crate::snapshot::{write_chunks, write_snapshot};
#[cfg(has_system)]
pub use crate::source::HeapMap;
#[cfg(has_threads)]
pub use crate::source::{HeapMaps, print_statistics_at_exit};
pub use talloc_sync::{
    Chunk, ChunkKind, Chunks, Inspect, Leaks, Outline, Report, SizeClass, SizeClasses, Statistics,
    Violation,
};
