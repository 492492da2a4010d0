//! The tests of the locks, caches and wrappers.
//!
//! All files are one program, which is compiled once. To run the tests of one file: `cargo test -p talloc-sync --test
//! all stress::`.

mod assertions;
mod cell;
mod collections;
mod common;
mod interrupts;
mod kinds;
mod magazines;
mod panics;
mod printing;
mod reentry;
mod stress;
mod trips;
