//! A program that does no more than allocate, by the allocator that a feature names.
//!
//! It is built to see how large it is, by `cargo xtask size`. As a WebAssembly module, with the feature
//! `speed`, it is run, too. On other machines there is nothing in it.

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
