//! Firmware that allocates wherever it likes, in an interrupt handler, too.
//!
//! A timer's interrupt handler takes samples and puts them into a queue; the program makes a log of
//! them. When it has got enough it checks that nothing was lost, prints what the heap says of
//! itself, and ends.
//!
//! | what | where |
//! |---|---|
//! | the heap, whose memory the linker script sets aside | `heap.rs` |
//! | the interrupt handler's part | `sampler.rs` |
//! | with the feature `trace`, what records all allocations in a file, and a snapshot in another | `recorder.rs` |
//! | the program's part: a `Vec`, `String` and `BTreeMap` as anywhere | `log.rs` |
//! | what boards differ in: how a program starts, and the timer | `board` |
//!
//! On a machine with an operating system there is nothing in it.

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
