//! Tests of heaps for machines without an operating system.
//!
//! The program (`main.rs`) runs all tests that its machine supports. See [`Plan`].
//!
//! | what | where |
//! |---|---|
//! | random operations, with checks after each step | [`walk`] |
//! | several arenas, which are extended, truncated and exhausted | [`heaps`] |
//! | the collections of `alloc` on the global allocator | [`collections`] |
//! | an interrupt handler that allocates, like the program it interrupts | [`interrupt`] |
//!
//! All tests are deterministic, and panic on failure. A [`Fault`] can be injected to prove that they can fail.

#![no_std]

extern crate alloc;

mod block;
pub mod collections;
pub mod heap;
pub mod heaps;
pub mod interrupt;
mod plan;
pub mod walk;

pub use heap::Heap;
pub use plan::{Fault, Plan};
