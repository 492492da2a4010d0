//! Firmware that sends a trace of its allocations to a debug probe.
//!
//! The trace goes to an RTT channel called `talloc`, which the probe's software writes to a file. With the feature
//! `defmt`, it goes to the log. See `README.md`.
//!
//! On a machine with an operating system, the program only prints an error.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod firmware;
#[cfg(target_os = "none")]
mod probe;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is for a microcontroller: `cargo xtask examples probe` runs it in an emulator");
    std::process::exit(1);
}
