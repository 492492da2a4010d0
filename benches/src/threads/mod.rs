//! Throughput of heaps that several threads share.
//!
//! Every heap is asked to do the same work, whatever the number of threads: the work is divided among them.

mod churn;
mod hand_off;
mod heaps;
pub mod locks;
mod measure;
mod random;
mod sections;
mod work;

pub use measure::{Args, run};
