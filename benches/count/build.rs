//! Passes the version of the compiler to the library, because counts of instructions depend on it.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var_os("RUSTC").expect("set by cargo");
    let output = Command::new(rustc).arg("--version").output().expect("the compiler runs");
    let version = String::from_utf8(output.stdout).expect("the compiler writes UTF-8");
    println!("cargo::rustc-env=TALLOC_COUNT_COMPILER={}", version.trim());
    println!("cargo::rerun-if-changed=build.rs");
}
