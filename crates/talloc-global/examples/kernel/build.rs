//! Passes the kernel's linker script to the linker.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=kernel.ld");
    println!("cargo:rerun-if-changed=src/boot.s");
    if env::var("TARGET").expect("set by cargo") != "x86_64-unknown-none" {
        return;
    }
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    println!("cargo:rustc-link-arg-bins=-T{here}/kernel.ld");
    // The boot loader loads the kernel at the script's addresses, and does not relocate it.
    println!("cargo:rustc-link-arg-bins=--no-pie");
}
