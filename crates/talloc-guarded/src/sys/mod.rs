//! The interface to the operating system: pages, faults, and the names of modules.

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

/// Tags need instructions of AArch64 and system calls of Linux.
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

/// The cause of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The page does not allow the access.
    Page,
    /// The tags of the pointer and of the memory differ.
    Tag,
}
