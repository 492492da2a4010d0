//! Says to the linker what memory the board has.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=memory");
    let target = env::var("TARGET").expect("set by cargo");
    let (board, scripts) = match target.as_str() {
        // The scripts are those of `cortex-m-rt`; where there are no pages, nothing need be aligned
        // to them.
        "thumbv6m-none-eabi" => ("microbit", ["--nmagic", "-Tlink.x"]),
        "thumbv7m-none-eabi" => ("lm3s6965evb", ["--nmagic", "-Tlink.x"]),
        // And these are of `riscv-rt`.
        _ if target.starts_with("riscv32") => ("virt", ["-Tmemory.x", "-Tlink.x"]),
        _ => return,
    };
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    println!("cargo:rustc-link-search={here}/memory/{board}");
    for argument in scripts {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
