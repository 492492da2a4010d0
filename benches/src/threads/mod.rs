//! Throughput of allocators that several threads use.
//!
//! Each is asked to do the same work, whatever the number of threads: the work is divided among them. [`hosted`]
//! compares allocators of programs, [`shared`] bare heaps that threads share, and [`locks`] what a heap is behind.

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
