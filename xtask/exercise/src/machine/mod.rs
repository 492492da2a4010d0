//! The differences between machines: memory, startup, printing, exit, and the timer.
//!
//! `xtask/exercise/README.md` says how to add a machine.

#[cfg(all(target_arch = "arm", target_os = "none"))]
#[path = "arm.rs"]
mod this;
#[cfg(all(any(target_arch = "riscv32", target_arch = "riscv64"), target_os = "none"))]
#[path = "riscv.rs"]
mod this;
#[cfg(target_os = "unknown")]
#[path = "wasm/mod.rs"]
mod this;
#[cfg(not(any(target_os = "none", target_os = "unknown")))]
#[path = "host.rs"]
mod this;

#[cfg(not(target_os = "none"))]
mod alone;
#[cfg(target_os = "none")]
mod bare;
mod sizes;

#[cfg(target_os = "none")]
pub use bare::*;
pub use sizes::*;
pub use this::*;
