//! Counts what operations of a heap cost, on the average and at the worst, in instructions of a
//! Cortex-M3. `cargo xtask bounds` runs it, in QEMU.
//!
//! Its arguments are a heap's name and how many KiB of memory that has. It prints a line for each
//! operation: its name, how often it was done, how many instructions that took, and how many it
//! took at the most.
//!
//! | what | where |
//! |---|---|
//! | counting instructions | `clock.rs` |
//! | the heaps, ours and others | `heap.rs`, `peers.rs` |
//! | what is done to them | `scripts.rs`, by way of `trial.rs` |
//!
//! On a machine with an operating system there is nothing in it.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod clock;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod peers;
#[cfg(target_os = "none")]
mod program;
#[cfg(target_os = "none")]
mod scripts;
#[cfg(target_os = "none")]
mod trial;

#[cfg(not(target_os = "none"))]
fn main() {}
