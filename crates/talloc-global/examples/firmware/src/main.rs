//! Firmware that allocates in the main program and in an interrupt handler.
//!
//! A timer's interrupt handler takes samples and puts them into a queue. The main program logs them. After enough
//! samples, it checks that nothing was lost, prints the heap's report and statistics, and exits.
//!
//! | what | where |
//! |---|---|
//! | the heap, for which the linker script reserves the memory | `heap.rs` |
//! | the interrupt handler's work | `sampler.rs` |
//! | with the feature `trace`, the recorder of allocations and of a snapshot | `recorder.rs` |
//! | the main program's work, which uses `Vec`, `String` and `BTreeMap` | `log.rs` |
//! | the differences between boards: startup, and the timer | `board` |
//!
//! On a machine with an operating system, the program only prints an error.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod firmware;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod log;
#[cfg(all(target_os = "none", feature = "trace"))]
mod recorder;
#[cfg(target_os = "none")]
mod sampler;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!(
        "this is for a microcontroller: `cargo xtask examples firmware` runs it in an emulator"
    );
    std::process::exit(1);
}
