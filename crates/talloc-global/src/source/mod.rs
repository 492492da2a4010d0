//! Where memory comes from: ready-made sources, heaps with these sources, and the items that your own [`Source`] needs.

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
