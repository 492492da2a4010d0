//! What is in a heap: statistics, reports of `verify`, and walks of its chunks.

#[cfg(has_threads)]
pub use crate::source::print_statistics_at_exit;
pub use talloc_sync::{
    Chunk, ChunkKind, Chunks, Leaks, Outline, Report, SizeClass, SizeClasses, Statistics, Violation,
};
