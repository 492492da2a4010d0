//! Benchmarks of the talloc allocator against its peers.
//!
//! [`heap`] is the interface of an allocator, [`heaps`] implements it for each allocator, and [`registry`] lists them. A
//! workload is a [`script`]: recorded from a real program ([`trace`]) or generated ([`random`]). Scripts are
//! [`replay`]ed to measure time ([`timing`]) and the least memory that a heap needs ([`memory`]), or [`check`]ed
//! step by step. [`talloc_count`] counts instructions with valgrind; its workloads of [`pairs`] have a budget.
//!
//! If the course depends on the heap, a [`workload`] is code: [`exhaustion`], [`latency`], [`slices`] with random
//! [`actions`], the [`worst`] case, and very many [`arenas`]. [`watched`] validates these workloads, and [`ticks`] is
//! their clock.
//!
//! [`report`] prints tables and writes CSV, [`plot`] draws them, [`summary`] makes one table of hosted allocators, and
//! [`readme`] writes the tables into the pages with results.

pub mod actions;
pub mod arenas;
pub mod check;
pub mod exhaustion;
pub mod heaps;
pub mod hosted;
pub mod latency;
pub mod memory;
pub mod plot;
pub mod publish;
pub mod random;
pub mod readme;
pub mod registry;
pub mod report;
pub mod sizes;
pub mod slices;
pub mod summary;
pub mod threads;
pub mod ticks;
pub mod timing;
pub mod trace;
pub mod watched;
pub mod workload;
pub mod worst;

pub use talloc_count::{heap, pairs, replay, script};

const _: () = assert!(usize::BITS == 64, "the benchmarks are for 64-bit hosts");
