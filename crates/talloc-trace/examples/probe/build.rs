//! Tells the linker the memory layout of the board, and where to put defmt's texts.

use std::env;

fn main() {
    let target = env::var("TARGET").expect("set by cargo");
    if !target.starts_with("thumbv7em-none") {
        return;
    }
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rustc-link-search={here}");
    for argument in ["--nmagic", "-Tlink.x"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    if env::var_os("CARGO_FEATURE_DEFMT").is_some() {
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
}
