//! The talloc heap for programs: behind a lock, in a critical section, or in a cell for a single
//! thread, and as an `Allocator`.
//!
//! A [`Talloc`] is used through `&mut`. The allocator traits need a heap behind a shared reference. This crate has four
//! ways to share a heap:
//!
//! | | used by | [`GlobalAlloc`] | `Allocator` | cost of sharing |
//! |---|---|---|---|---|
//! | [`Tallock`] | threads | yes | `&Tallock` | a [lock] of your choice |
//! | [`TallocMagazines`] | threads that allocate all the time | yes | `&TallocMagazines` | a lock, seldom |
//! | [`TallocCritical`] | threads and interrupt handlers | yes | `&TallocCritical` | interrupts wait |
//! | [`TallocCell`] | one thread | no | `&TallocCell` | none, and no `unsafe` |
//!
//! This crate re-exports all public items of [`talloc_core`] and [`talloc_span`](talloc_core::Span), so a program needs
//! only this crate.
//!
//! # Examples
//!
//! A global allocator:
//!
#![cfg_attr(feature = "spin", doc = "```")]
#![cfg_attr(not(feature = "spin"), doc = "```ignore")]
//! use std::alloc::Layout;
//! use talloc_sync::{AllocError, Talloc, Tallock};
//!
//! #[global_allocator]
//! static HEAP: Tallock = Talloc::with_oom_handler(give_arena).spin_lock();
//! static mut ARENA: [u8; 1 << 20] = [0; 1 << 20];
//!
//! fn give_arena(heap: &mut Talloc, _: Layout) -> Result<(), AllocError> {
//!     // SAFETY: Nothing else uses the array. A second claim of it is refused.
//!     unsafe { heap.claim((&raw mut ARENA).into()) }.map_err(|_| AllocError)
//! }
//!
//! fn main() {
//!     let words: Vec<String> = ["to", "be"].map(String::from).into();
//!     assert!(HEAP.0.lock().get_arena().contains_ptr(words[0].as_ptr().cast_mut()));
//! }
//! ```
//!
//! An arena for some collections, with an `Allocator` of any version: see [`TallocCell`]. One that allocates in some
//! [kinds](Kind) of memory is [`InKinds`].
//!
//! # Features
//!
//! All of them add something and change nothing.
//!
//! | feature | adds |
//! |---|---|
//! | `spin` (default) | [`Talloc::spin_lock`](Talloc#method.spin_lock), `lock::Spin` and `lock::Ticket` |
//! | `allocator` (default) | `Allocator` of allocator-api2 0.2, the one of hashbrown and bumpalo |
//! | `allocator-api2-03` | `Allocator` of allocator-api2 0.3 |
//! | `allocator-api2-04` | `Allocator` of allocator-api2 0.4 |
//! | `allocator_api` | `Allocator` of the standard library, on a nightly compiler |
//! | `critical-section` | `TallocCritical` |
//! | `serde` | `serde::Serialize` for statistics |
//! | `defmt` | `defmt::Format` for reports and errors, as texts that are not in the program |
//!
//! If something makes allocator-api2 0.2 use the standard library's trait, by its own feature
//! `nightly`, these are the same trait: choose `allocator_api` and leave `allocator` out.
//!
//! Without `spin`, the crate builds for cores without atomic compare-and-swap, such as thumbv6m and
//! riscv32i.
//!
//! [`GlobalAlloc`]: core::alloc::GlobalAlloc
#![cfg_attr(not(feature = "critical-section"), doc = "[`TallocCritical`]: crate#features")]
#![no_std]
#![deny(missing_docs)]
#![cfg_attr(feature = "allocator_api", feature(allocator_api))]

#[cfg(feature = "critical-section")]
mod critical;
mod kinds;
mod local;
pub mod lock;
#[cfg(target_has_atomic = "ptr")]
mod magazines;
#[cfg(all(doctest, target_has_atomic = "ptr"))]
mod refused;
#[cfg(all(target_has_atomic = "ptr", target_has_atomic = "8"))]
pub mod threads;

#[cfg(feature = "critical-section")]
pub use critical::TallocCritical;
pub use kinds::InKinds;
pub use local::{MemorySupply, NoSupply, TallocCell};
#[cfg(target_has_atomic = "ptr")]
pub use magazines::{ByStack, Caller, TallocMagazines};
pub use talloc_core::*;

#[cfg(all(doctest, feature = "spin", feature = "allocator"))]
#[doc = include_str!("../README.md")]
struct Readme;
