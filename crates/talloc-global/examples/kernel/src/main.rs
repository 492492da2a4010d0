//! A multi-core kernel that gives all of the machine's memory to its heap.
//!
//! The kernel boots by the PVH protocol, which `qemu-system-x86_64 -kernel` supports. The memory has several regions.
//! Each becomes an arena, except the last one, which is kept in reserve. The cores allocate, send blocks to each other,
//! and free blocks of other cores. Finally, one core exhausts the memory. The heap then claims the reserve. When that
//! is used up, a request fails, and the kernel handles the error.
//!
//! | what | where |
//! |---|---|
//! | the heap: arenas, a cache per core, the reserve | `heap.rs` |
//! | the map of the memory | `memory.rs` |
//! | the work of each core | `work.rs` |
//! | exhausting the memory | `exhaust.rs` |
//! | how cores start, and the number of a core | `boot.s`, `cpu.rs` |
//! | the serial port, and how to exit | `port.rs` |
//!
//! On other machines, the program only prints an error.

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
