//! The heap of a single thread.

mod cell;
mod inspect;
#[cfg(doctest)]
mod refused;
mod supply;
mod unlocked;

pub use cell::TallocCell;
pub use supply::{MemorySupply, NoSupply};
