//! The tests of the locks, caches and wrappers, in one program, which is compiled once.
//!
//! `cargo test -p talloc-sync --test all stress::` runs those of one file.

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
