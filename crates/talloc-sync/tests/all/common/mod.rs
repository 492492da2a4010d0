//! Helpers of the tests.

#![allow(dead_code)] // Each program uses some of this.

pub mod block;
#[cfg(feature = "critical-section")]
pub mod interrupts;
pub mod thread;
