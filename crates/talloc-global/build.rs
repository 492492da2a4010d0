//! Sets `cfg`s: whether code should be small, whether the system provides memory and threads, and which model of
//! thread-locals to use.

use std::env;

fn main() {
    // Code should be small if the profile optimises for size, as in `talloc-core`.
    autocfg::emit_possibility("small");
    if env::var("OPT_LEVEL").is_ok_and(|level| level == "s" || level == "z") {
        autocfg::emit("small");
    }
    let target = |name: &str| env::var(format!("CARGO_CFG_{name}"));
    let has_feature = |name: &str| env::var(format!("CARGO_FEATURE_{name}")).is_ok();
    let os = target("TARGET_OS").unwrap_or_default();
    // `has_system` is for `SystemTallock`, and `has_threads` for `SystemTalloc`. Some Unix systems have no `mmap`.
    autocfg::emit_possibility("has_system");
    autocfg::emit_possibility("has_threads");
    let is_windows = target("WINDOWS").is_ok();
    let is_unix = target("UNIX").is_ok() && !["espidf", "horizon", "vita"].contains(&os.as_str());
    if has_feature("SYSTEM") && (is_unix || is_windows) {
        autocfg::emit("has_system");
        if has_feature("STD") {
            autocfg::emit("has_threads");
        }
    }
    // The C library must reserve room for such thread-locals of libraries that are loaded late. glibc does.
    autocfg::emit_possibility("initial_exec");
    let is = |name: &str, value: &str| target(name).is_ok_and(|known| known == value);
    let is_known = os == "linux" && is("TARGET_ENV", "gnu") && is("TARGET_ARCH", "x86_64");
    if is_known && is("TARGET_POINTER_WIDTH", "64") && target("MIRI").is_err() {
        autocfg::emit("initial_exec");
    }
    autocfg::rerun_path("build.rs");
}
