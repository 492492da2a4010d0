//! A shadow heap that checks every operation of the talloc allocator, and its fuzz targets.
//!
//! A [`Script`] is a list of operations, decoded from arbitrary bytes. A [`Driver`] runs it on a [`Heap`] whose arenas
//! lie in a [`Pool`] of canaries, keeps a [`Shadow`] of the heap's expected state, and compares the two after every
//! step. At the end, it frees all blocks, expects one free chunk per arena, and allocates that in one piece.
//!
//! | what | where |
//! |---|---|
//! | random scripts over a grid of sizes and configurations | `tests/all/oracle.rs` |
//! | the oracle detects the faults of broken heaps | `tests/all/mutants` |
//! | faults of earlier allocators | `tests/all/regressions` |
//! | the parts of the oracle | `tests/all/tools.rs` |
//! | the fuzzers' corpus, replayed | `tests/all/corpus.rs` |
//! | several threads share a heap, logical ones and real ones | `tests/all/sync.rs`, `tests/all/threads.rs` |
//! | logical threads that have a heap each | `tests/all/shards.rs` |
//! | libFuzzer [`Target`]s, one for each [`Mix`], for [`sync`] and for [`shards`], and one for the reader of allocation traces | `src/bin`, with the feature `libfuzzer` |
//! | faults planted in random programs, and the reactions of heaps | [`faults`], `tests/faults.rs`, `src/bin/faults.rs`, `cargo xtask faults` |
//! | random programs that are checked less often | [`brisk`], `tests/all/brisk.rs` |
//! | random scripts for any length of time | `src/bin/soak.rs`, `cargo xtask soak` |

pub mod brisk;
mod catches;
pub mod driver;
pub mod faults;
pub mod heap;
pub mod minimise;
pub mod ops;
pub mod pattern;
pub mod pool;
mod recorded;
mod run;
mod seat;
pub mod shadow;
pub mod shards;
mod shrunk;
pub mod supply;
pub mod sync;
mod target;
pub mod trace;

pub use catches::Catches;
pub use driver::Driver;
pub use heap::{Heap, Limits};
pub use ops::{Mix, Op, Profile, Script, Setup};
pub use pool::Pool;
pub use run::{Failure, check, run, run_on};
pub use shadow::Shadow;
pub use shrunk::{Everything, Shrunk};
pub use target::Target;
