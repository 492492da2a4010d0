//! Tells the crate what the compiler can do.

fn main() {
    // `core::hint::select_unpredictable`.
    autocfg::new().emit_rustc_version(1, 88);
    autocfg::rerun_path("build.rs");
}
