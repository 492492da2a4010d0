//! The tests of the heap.
//!
//! All files are one program, so each configuration of the heap is compiled only once. To run the tests of one file:
//! `cargo test -p talloc-core --test all merge::`.

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
