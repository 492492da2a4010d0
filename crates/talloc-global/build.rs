//! Tells the crate whether the code shall be small.

use std::env;

fn main() {
    // As in `talloc-core`: it is the profile that says so.
    autocfg::emit_possibility("small");
    if env::var("OPT_LEVEL").is_ok_and(|level| level == "s" || level == "z") {
        autocfg::emit("small");
    }
    autocfg::rerun_path("build.rs");
}
