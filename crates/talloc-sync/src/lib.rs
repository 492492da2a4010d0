//! sync
#![no_std]
#![deny(missing_docs)]
#![cfg_attr(feature = "nightly", feature(allocator_api))]

mod allocator;
#[cfg(feature = "critical-section")]
mod critical;
mod local;
pub mod lock;
mod tallock;

#[cfg(feature = "critical-section")]
pub use critical::TallocCritical;
pub use local::{NoSupply, Supply, TallocCell};
pub use tallock::{AllocatorApi, TallockRef};
pub use talloc_core::*;
