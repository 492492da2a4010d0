//! core

#![no_std]

#[cfg(test)]
extern crate std;

mod arena;
mod bin;
mod config;
mod error;
mod granule;
mod quick;
mod report;
pub mod shared;
mod source;
mod talloc;
#[cfg(feature = "lock_api")]
mod tallock;

pub use bin::Heads;
pub use config::{Compact, Config, Micro, RealTime};
pub use error::{AllocError, ArenaError};
pub use granule::Index;
pub use quick::{Lists, QuickLists};
pub use report::{Report, Violation};
pub use shared::SharedHeap;
pub use source::{OomFn, Source, alloc_error};
pub use talloc::{SOURCE_TRIES, Talloc};
pub use talloc_span::{Align, Span};
#[cfg(feature = "lock_api")]
pub use tallock::Tallock;
