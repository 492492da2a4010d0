//! Says to the linker where in memory what belongs.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=kernel.ld");
    println!("cargo:rerun-if-changed=src/boot.s");
    if env::var("TARGET").expect("set by cargo") != "x86_64-unknown-none" {
        return;
    }
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    println!("cargo:rustc-link-arg-bins=-T{here}/kernel.ld");
    // It is loaded where the script says, and there is nobody to relocate it.
    println!("cargo:rustc-link-arg-bins=--no-pie");
}
