//! The calling thread's heap: a thread-local pointer, which each call reads.

#[cfg_attr(
    all(
        target_os = "linux",
        target_env = "gnu",
        target_arch = "x86_64",
        target_pointer_width = "64",
        not(miri)
    ),
    path = "fixed.rs"
)]
#[cfg_attr(
    not(all(
        target_os = "linux",
        target_env = "gnu",
        target_arch = "x86_64",
        target_pointer_width = "64",
        not(miri)
    )),
    path = "portable.rs"
)]
mod place;

pub(super) use place::{get, set};
