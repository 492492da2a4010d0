//! Kinds of memory, such as fast memory and memory that a DMA controller reaches.

pub use talloc_sync::{InKinds, Kind, Kinds, OfKinds};
