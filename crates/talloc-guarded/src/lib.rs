//! Memory errors found in production, around any global allocator.
//!
//! See [`Guarded`].
#![deny(missing_docs)]

mod access;
mod guarded;
mod handler;
mod misuse;
mod pool;
mod print;
mod report;
mod sampler;
mod sys;

pub use guarded::{DEFAULT_RATE, Guarded};
pub use handler::{Handler, Reaction, set_handler};
pub use report::{Action, Block, CallStack, Fault, Report};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
