//! Tells the linker the memory layout of the board.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=memory");
    let target = env::var("TARGET").expect("set by cargo");
    let (board, scripts) = match target.as_str() {
        // These scripts are from `cortex-m-rt`. Machines without pages need no page-aligned sections.
        "thumbv6m-none-eabi" => ("microbit", ["--nmagic", "-Tlink.x"]),
        "thumbv7m-none-eabi" => ("lm3s6965evb", ["--nmagic", "-Tlink.x"]),
        // These scripts are from `riscv-rt`.
        _ if target.starts_with("riscv32") => ("virt", ["-Tmemory.x", "-Tlink.x"]),
        _ => return,
    };
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    println!("cargo:rustc-link-search={here}/memory/{board}");
    for argument in scripts {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
