//! Keeps the shared library in the process for good.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // When a thread ends that has allocated, the library is called. So a program that has loaded it
    // must not be able to unload it.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
