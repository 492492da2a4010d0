//! Tells the crate whether the code shall be small, and how a thread-local is found.

use std::env;

fn main() {
    // As in `talloc-core`: it is the profile that says so.
    autocfg::emit_possibility("small");
    if env::var("OPT_LEVEL").is_ok_and(|level| level == "s" || level == "z") {
        autocfg::emit("small");
    }
    // The C library must set memory aside for such thread-locals of libraries that are loaded late: glibc does.
    autocfg::emit_possibility("initial_exec");
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let is_known = target("OS") == "linux" && target("ENV") == "gnu" && target("ARCH") == "x86_64";
    if is_known && target("POINTER_WIDTH") == "64" && env::var("CARGO_CFG_MIRI").is_err() {
        autocfg::emit("initial_exec");
    }
    autocfg::rerun_path("build.rs");
}
