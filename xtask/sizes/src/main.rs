//! A minimal program that uses the allocator selected by a feature.
//!
//! `cargo xtask size` builds it to measure its size. With the feature `speed`, it also runs the WebAssembly module. On
//! other machines, the program is empty.

#![cfg_attr(any(target_os = "none", target_family = "wasm"), no_std, no_main)]

#[cfg(target_os = "none")]
mod bare;
#[cfg(any(target_os = "none", target_family = "wasm"))]
mod calls;
#[cfg(all(target_family = "wasm", feature = "speed"))]
mod run;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(not(any(target_os = "none", target_family = "wasm")))]
fn main() {}
