//! The tests of the heap.
//!
//! They are one program: so the heap is compiled once for each configuration, and not once for each file.
//! `cargo test -p talloc-core --test all merge::` runs those of one file.

mod align;
mod arenas;
mod batch;
mod checked;
mod common;
mod decay;
mod density;
mod discard;
mod hardened;
mod high_water;
mod hooks;
mod kinds;
mod meddling;
mod merge;
mod order;
mod quick;
mod raise;
mod shared;
mod sources;
mod sparse;
mod statistics;
mod storms;
mod surface;
mod texts;
mod zeroed;
