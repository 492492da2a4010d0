//! A kernel that gives its heap all memory there is, and uses it from every core.
//!
//! It is started by the PVH protocol, as `qemu-system-x86_64 -kernel` does, with the memory in
//! several pieces. Each becomes an arena, but for the last, which is kept in reserve. The cores
//! allocate, send each other what they have allocated, and free that of others. Then one of them
//! takes all there is: the reserve is drawn upon, and in the end a request is refused, which it
//! survives.
//!
//! | what | where |
//! |---|---|
//! | the heap: arenas, a cache for each core, the reserve | `heap.rs` |
//! | which memory there is | `memory.rs` |
//! | what the cores do | `work.rs` |
//! | until nothing is left | `exhaust.rs` |
//! | how cores start, and which one this is | `boot.s`, `cpu.rs` |
//! | the serial line, and the end | `port.rs` |
//!
//! On any other machine there is nothing in it.

#![cfg_attr(all(target_arch = "x86_64", target_os = "none"), no_std, no_main)]

#[cfg(all(target_arch = "x86_64", target_os = "none"))]
extern crate alloc;

#[cfg(all(target_arch = "x86_64", target_os = "none"))]
mod cpu;
#[cfg(all(target_arch = "x86_64", target_os = "none"))]
mod exhaust;
#[cfg(all(target_arch = "x86_64", target_os = "none"))]
mod heap;
#[cfg(all(target_arch = "x86_64", target_os = "none"))]
mod kernel;
#[cfg(all(target_arch = "x86_64", target_os = "none"))]
mod memory;
#[cfg(all(target_arch = "x86_64", target_os = "none"))]
mod port;
#[cfg(all(target_arch = "x86_64", target_os = "none"))]
mod work;

#[cfg(not(all(target_arch = "x86_64", target_os = "none")))]
fn main() {
    eprintln!("this is a kernel: `cargo xtask examples kernel` runs it in an emulator");
    std::process::exit(1);
}
