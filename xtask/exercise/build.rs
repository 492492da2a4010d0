//! Selects the machine for the target, and tells the linker its memory layout.

use std::env;

/// Machines without an operating system, by target.
const MACHINES: [(&str, &str); 6] = [
    ("thumbv6m-none-eabi", "microbit"),
    ("thumbv7m-none-eabi", "lm3s6965evb"),
    ("thumbv7em-none-eabihf", "mps2-an386"),
    ("riscv32imac-unknown-none-elf", "virt"),
    ("riscv64imac-unknown-none-elf", "virt"),
    ("riscv64gc-unknown-none-elf", "virt"),
];

fn main() {
    println!("cargo:rerun-if-changed=memory");
    println!("cargo:rustc-check-cfg=cfg(machine, values(any()))");
    let target = env::var("TARGET").expect("set by cargo");
    if target.starts_with("wasm32") {
        println!("cargo:rustc-link-arg-bins=--export=run");
    }
    let Some((_, machine)) = MACHINES.iter().find(|(name, _)| *name == target) else { return };
    println!("cargo:rustc-cfg=machine=\"{machine}\"");
    let here = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    println!("cargo:rustc-link-search={here}/memory/{machine}");
    // Machines without pages need no page-aligned sections.
    let scripts = if target.starts_with("riscv") { "-Tmemory.x" } else { "--nmagic" };
    for argument in [scripts, "-Tlink.x"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
