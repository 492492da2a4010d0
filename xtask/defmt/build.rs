//! Tells the linker the memory layout of the machine, and where to put defmt's texts.

use std::env;

fn main() {
    if env::var("TARGET").expect("set by cargo") != "thumbv7m-none-eabi" {
        return;
    }
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    let memory = format!("{here}/../exercise/memory/lm3s6965evb");
    println!("cargo:rerun-if-changed={memory}");
    println!("cargo:rustc-link-search={memory}");
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
