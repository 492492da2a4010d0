//! Measures the average and the worst cost of a heap's operations, in instructions of a Cortex-M3. `cargo xtask bounds`
//! runs it in QEMU.
//!
//! The arguments are the name of a heap and the size of its memory in KiB. The program prints a line for each
//! operation: its name, how often it was done, the instructions of all calls together, and those of the slowest call.
//!
//! | what | where |
//! |---|---|
//! | measuring instructions | `clock.rs` |
//! | the heaps, ours and others | `heap.rs`, `peers.rs` |
//! | the operations | `scripts.rs`, which uses `trial.rs` |
//!
//! On a machine with an operating system, the program is empty.

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
