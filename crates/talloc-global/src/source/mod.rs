//! Where memory comes from: ready-made sources, the heaps that are made of them, and what a [`Source`] of one's own
//! needs.

mod region;

#[cfg(any(target_arch = "wasm32", has_system))]
mod needed;
#[cfg(has_system)]
mod system;

#[cfg(target_arch = "wasm32")]
mod wasm;

pub use region::*;
#[cfg(has_system)]
pub use system::*;
#[cfg(target_arch = "wasm32")]
pub use wasm::*;

pub use talloc_sync::{
    ArenaMut, ArenasMut, Decay, Memory, MemorySupply, NoSupply, OomHandler, Pace, SOURCE_TRIES,
    Source, TEND_INTERVAL, alloc_error,
};
