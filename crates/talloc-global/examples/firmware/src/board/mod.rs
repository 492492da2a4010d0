//! The differences between boards: startup, and the timer.

#[cfg(target_arch = "arm")]
#[path = "cortex_m.rs"]
mod this;
#[cfg(target_arch = "riscv32")]
#[path = "riscv.rs"]
mod this;

pub use this::*;
