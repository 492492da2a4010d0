//! Tells the crate what the compiler can do, and whether the code shall be small.

use std::env;

fn main() {
    // `core::hint::select_unpredictable`.
    autocfg::new().emit_rustc_version(1, 88);
    // Where the size of the code is all, `inline(always)` is too much. It is the profile that says so,
    // so that no feature has to.
    autocfg::emit_possibility("small");
    if env::var("OPT_LEVEL").is_ok_and(|level| level == "s" || level == "z") {
        autocfg::emit("small");
    }
    autocfg::rerun_path("build.rs");
}
