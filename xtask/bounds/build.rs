//! Tells the linker the memory layout of the machine.

use std::env;

fn main() {
    if env::var("TARGET").expect("set by cargo") != "thumbv7m-none-eabi" {
        return;
    }
    // The program runs on an MPS2-AN385, which differs from this machine only in its core.
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    let memory = format!("{here}/../exercise/memory/mps2-an386");
    println!("cargo:rerun-if-changed={memory}");
    println!("cargo:rustc-link-search={memory}");
    for argument in ["--nmagic", "-Tlink.x"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
