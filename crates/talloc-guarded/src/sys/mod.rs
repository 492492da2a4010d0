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
