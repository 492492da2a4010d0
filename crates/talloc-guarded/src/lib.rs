//! Wrappers of any global allocator that find memory errors in production.
//!
//! [`Guarded`] works on all Unix systems. [`Tagged`] needs a processor with memory tags.
#![deny(missing_docs)]

mod access;
mod guarded;
mod handler;
mod misuse;
mod pool;
mod print;
mod report;
mod sampler;
mod start_up;
mod sys;
mod tagged;
mod tags;

pub use guarded::{DEFAULT_RATE, Guarded};
pub use handler::{Handler, Reaction, set_handler};
pub use report::{Action, Block, CallStack, Fault, Report};
pub use tagged::{Tagged, has_memory_tags};
pub use tags::Tags;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
