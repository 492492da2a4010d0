//! What a heap is put through on machines without an operating system.
//!
//! The program (`main.rs`) does all of it, with what its machine has; see [`Plan`].
//!
//! | what | where |
//! |---|---|
//! | random operations, checked after each step | [`walk`] |
//! | several arenas, extended and truncated, until there is nothing left | [`heaps`] |
//! | the collections of `alloc`, on the global allocator | [`collections`] |
//! | an interrupt handler that allocates while the program does | [`interrupt`] |
//!
//! Everything is deterministic. What is wrong is a panic. So that it is known that what is wrong
//! is found, a [`Fault`] can be asked for.

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
