//! The tests of the oracle, and the tests that use it.
//!
//! All files are one program, which is compiled once. To run the tests of one file: `cargo test -p talloc-fuzz --test
//! all oracle::`.

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
