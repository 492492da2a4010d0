//! Throughput of allocators that several threads use.
//!
//! The total work is the same for each number of threads, which divide it among them. [`hosted`] compares allocators of
//! programs, [`shared`] compares bare heaps that threads share, and [`locks`] compares locks.

mod args;
mod churn;
mod hand_off;
mod heaps;
pub mod hosted;
pub mod locks;
mod random;
mod sections;
pub mod shared;
mod starts;
pub mod work;

pub use args::Args;
