//! The talloc allocator, whole: heaps that are ready to be the global allocator, sources of memory
//! for them, and everything of the crates below.

#![no_std]
#![deny(missing_docs)]

#[cfg(feature = "lock_api")]
mod global_alloc;
#[cfg(all(feature = "system", unix))]
mod system_lock;
mod source;

pub use talloc_core::*;

#[cfg(feature = "lock_api")]
pub use global_alloc::GlobalTalloc;
#[cfg(feature = "spin")]
pub use global_alloc::StaticTalloc;
#[cfg(all(feature = "system", unix))]
pub use global_alloc::SystemTalloc;
#[cfg(all(feature = "system", unix))]
pub use system_lock::SystemLock;
pub use source::*;
