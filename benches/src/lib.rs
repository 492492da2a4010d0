//! Benchmarks of the talloc allocator against its peers.
//!
//! [`heap`] says what an allocator must do, [`heaps`] has one implementation for each, and [`registry`] lists them.
//! A workload is a [`script`]: recorded from a real program ([`trace`]) or generated ([`random`]). Scripts are
//! [`replay`]ed to take the time ([`timing`]) and to find how little memory a heap needs ([`memory`]), or
//! [`check`]ed step by step. [`count`] has valgrind count instructions, for which there are workloads of [`pairs`]
//! with a [`budget`]. [`report`] prints tables and writes CSV.

pub mod budget;
pub mod check;
pub mod count;
pub mod heap;
pub mod heaps;
pub mod memory;
pub mod pairs;
pub mod random;
pub mod registry;
pub mod replay;
pub mod report;
pub mod script;
pub mod timing;
pub mod trace;
