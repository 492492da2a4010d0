//! What the operating system does: pages, faults, and the names of modules.

#[cfg(all(unix, not(any(target_os = "espidf", target_os = "horizon", target_os = "vita"))))]
mod unix;
#[cfg(all(unix, not(any(target_os = "espidf", target_os = "horizon", target_os = "vita"))))]
pub use unix::*;

#[cfg(not(all(unix, not(any(target_os = "espidf", target_os = "horizon", target_os = "vita")))))]
mod none;
#[cfg(not(all(
    unix,
    not(any(target_os = "espidf", target_os = "horizon", target_os = "vita"))
)))]
pub use none::*;

/// The instructions that read and write tags are those of AArch64, and the system calls are those of Linux.
#[cfg(all(
    target_arch = "aarch64",
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "android")
))]
pub mod tags;

#[cfg(not(all(
    target_arch = "aarch64",
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "android")
)))]
#[path = "no_tags.rs"]
pub mod tags;

/// Why an access has faulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The page does not allow it.
    Page,
    /// The tags of the pointer and of the memory differ.
    Tag,
}
