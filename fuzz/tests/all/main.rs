//! The tests of the oracle and by it, in one program, which is compiled once.
//!
//! `cargo test -p talloc-fuzz --test all oracle::` runs those of one file.

mod brisk;
mod corpus;
mod hooks;
mod mutants;
mod oracle;
mod regressions;
mod shards;
mod sync;
mod threads;
mod tools;
