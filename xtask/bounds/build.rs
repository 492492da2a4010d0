//! Says to the linker what memory the machine has.

use std::env;

fn main() {
    if env::var("TARGET").expect("set by cargo") != "thumbv7m-none-eabi" {
        return;
    }
    // A machine that differs from this one by its core.
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    let memory = format!("{here}/../exercise/memory/mps2-an386");
    println!("cargo:rerun-if-changed={memory}");
    println!("cargo:rustc-link-search={memory}");
    for argument in ["--nmagic", "-Tlink.x"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
