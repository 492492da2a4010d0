//! Tells the linker which functions are called from outside, so that it removes all others.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_on = |feature: &str| env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    let mut roots = vec!["allocate", "deallocate", "reallocate", "copy", "shift", "fill"];
    roots.extend(is_on("INIT").then_some("init"));
    roots.extend(is_on("SPEED").then_some("run"));
    let target = env::var("TARGET").expect("set by cargo");
    let arguments: Vec<String> = if target.starts_with("wasm") {
        let exports = roots.iter().map(|root| format!("--export={root}"));
        exports.chain(["--no-entry".to_owned()]).collect()
    } else if target.ends_with("-none-eabi") {
        let kept = roots.iter().map(|root| format!("--undefined={root}"));
        kept.chain(["--entry=allocate".to_owned()]).collect()
    } else {
        Vec::new()
    };
    for argument in arguments {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
