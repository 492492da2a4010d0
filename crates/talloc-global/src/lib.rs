//! The talloc allocator, whole: heaps that are ready to be the global allocator, sources of memory
//! for them, and everything of the crates below.
//!
//! `use talloc_global::*` is all that most programs need. The rest is in modules, by topic:
//!
//! | module | |
//! |---|---|
//! | [`config`] | parameters of a heap, and ready-made profiles of them |
//! | [`source`] | sources of memory |
//! | [`lock`] | locks |
//! | [`inspect`] | statistics, reports, and what a heap holds |
//! | [`misuse`] | what a checked heap reports |
//! | [`kinds`] | kinds of memory, and requests for some of them |
//! | [`custom`] | for wrappers, caches and heaps of one's own |
//!
//! # Which heap
//!
//! | memory | as the global allocator | |
//! |---|---|---|
//! | from the operating system | `SystemTalloc::new()` | [`SystemTalloc`], a heap for each thread |
//! | the same, one heap behind a lock | `SystemTallock::new()` | [`SystemTallock`] |
//! | of a WebAssembly module | `WasmTalloc::new()` | [`WasmTalloc`], without a lock where there are no threads |
//! | a `static` | `StaticTalloc::new(&ARENA)` | [`StaticTalloc`] |
//! | what a linker script sets aside | `StaticTalloc::with_source(region)` | [`Region`] |
//! | given by hand | `Talloc::new().spin_lock()` | [`Tallock`] |
//! | given by a function, when there is not enough | `Talloc::with_oom_handler(function).spin_lock()` | [`Talloc::with_oom_handler`] |
//! | of a type of your own | `Talloc::with_source(source).lock()` | [`Source`] |
//!
//! For arenas of a single thread there is [`TallocCell`].
//!
//! The system's memory goes back to it when it is needed no longer: see [`SystemSource`], and
//! [`SystemHeap`] for very large blocks.
//!
//! # Quick start
//!
//! On a microcontroller, in a kernel, or anywhere:
//!
#![cfg_attr(all(feature = "spin", target_has_atomic = "8"), doc = "```")]
#![cfg_attr(not(all(feature = "spin", target_has_atomic = "8")), doc = "```ignore")]
//! use talloc_global::*;
//!
//! static ARENA: StaticArena<{ 256 * 1024 }> = StaticArena::new();
//! #[global_allocator]
//! static ALLOCATOR: StaticTalloc = StaticTalloc::new(&ARENA);
//!
//! # #[expect(clippy::needless_doctest_main)]
//! fn main() {
//!     let words = vec!["no".to_owned(), "set-up".to_owned()];
//!     assert_eq!(words.join(" "), "no set-up");
//! }
//! ```
//!
//! On Linux, macOS, a BSD, or Windows:
//!
#![cfg_attr(has_threads, doc = "```")]
#![cfg_attr(not(has_threads), doc = "```ignore")]
//! use talloc_global::*;
//!
//! #[global_allocator]
//! static ALLOCATOR: SystemTalloc = SystemTalloc::new();
//!
//! # #[expect(clippy::needless_doctest_main)]
//! fn main() {
//!     let squares: Vec<u64> = (1..=100).map(|number| number * number).collect();
//!     assert_eq!(squares.iter().sum::<u64>(), 338_350);
//! }
//! ```
//!
//! In WebAssembly, on `wasm32`:
//!
//! ```ignore
//! use talloc_global::*;
//!
//! #[global_allocator]
//! static ALLOCATOR: WasmTalloc = WasmTalloc::new();
//! ```
//!
//! # Memory before `main`
//!
//! What a program starts with may allocate: on Linux, Rust's own start-up code gives the main
//! thread its name. So a global allocator that is without memory until `main` gives it some works
//! only where nothing comes before `main`: on bare metal, or with `#![no_main]`. All others above
//! have theirs from the first allocation on.
//!
//! # How it works
//!
//! The way of a request through the three crates is a page of links in each: from [`SystemTalloc`] in
//! `source/system/threads/walkthrough.rs` of this crate, to the heaps of threads in `threads/walkthrough.rs` of
//! `talloc-sync`, to the arenas in `walkthrough.rs` of `talloc-core`. The pages are part of the documentation with
//! private items: `cargo doc --document-private-items`.
//!
//! # Features
//!
//! All of them add something and change nothing.
//!
//! | feature | adds |
//! |---|---|
//! | `spin` (default) | [`StaticTalloc`], [`Talloc::spin_lock`](Talloc#method.spin_lock), spin locks |
//! | `allocator` (default) | [`Allocator`], which is that of allocator-api2 0.2, for hashbrown and bumpalo |
//! | `system` (default) | on Unix and Windows, [`SystemTallock`]; on other systems nothing |
//! | `std` (default) | with `system`, [`SystemTalloc`]; on other systems than Unix and Windows nothing |
//! | `allocator-api2-03` | the trait of allocator-api2 0.3 |
//! | `allocator-api2-04` | the trait of allocator-api2 0.4 |
//! | `allocator_api` | the trait of the standard library, on a nightly compiler |
//! | `critical-section` | `TallocCritical`, for interrupt handlers that allocate |
//! | `serde` | `serde::Serialize` for statistics |
//! | `json` | statistics as JSON, where `TALLOC_STATS` asks for it |
//! | `snapshot` | `write_snapshot`: what lies where in heaps, as bytes that `talloc map` draws |
//! | `defmt` | `defmt::Format` for reports and errors, as texts that are not in the program |
//!
//! [`WasmTalloc`] and its source need no feature, and cost nothing on other targets.
//!
//! The crate is `no_std` without `std`, and on systems other than Unix and Windows, with it, too. Without `spin`, it
//! builds for cores that have no atomic compare-and-swap.
//!
#![cfg_attr(
    has_system,
    doc = "[`SystemSource`]: source::SystemSource\n[`SystemHeap`]: source::SystemHeap"
)]
#![cfg_attr(not(feature = "spin"), doc = "[`StaticTalloc`]: GlobalTalloc")]
#![cfg_attr(
    not(has_system),
    doc = "[`SystemTallock`]: GlobalTalloc\n[`SystemSource`]: Source\n[`SystemHeap`]: GlobalTalloc"
)]
#![cfg_attr(not(has_threads), doc = "[`SystemTalloc`]: GlobalTalloc")]
#![cfg_attr(not(target_arch = "wasm32"), doc = "[`WasmTalloc`]: GlobalTalloc")]
#![cfg_attr(not(feature = "allocator"), doc = "[`Allocator`]: custom::Allocate")]
#![no_std]
#![deny(missing_docs)]
#![cfg_attr(feature = "allocator_api", feature(allocator_api))]

#[cfg(test)]
extern crate std;

pub mod config;
pub mod custom;
mod global_alloc;
pub mod inspect;
pub mod kinds;
#[cfg(any(test, target_arch = "wasm32"))]
mod linear;
pub mod misuse;
#[cfg(doctest)]
mod refused;
#[cfg(feature = "snapshot")]
mod snapshot;
pub mod source;

#[cfg(feature = "allocator")]
pub use talloc_sync::shared::versions::api2_02::Allocator;

pub use global_alloc::GlobalTalloc;
#[cfg(feature = "critical-section")]
pub use talloc_sync::TallocCritical;
#[cfg(target_has_atomic = "ptr")]
pub use talloc_sync::TallocMagazines;
pub use talloc_sync::{
    AllocError, ArenaError, Compact, Config, Memory, OomHandler, OwnedTalloc, SharedHeap, Source,
    Span, Talloc, TallocCell, Tallock, TallockRef, alloc_error, lock,
};

pub use source::Region;
#[cfg(target_has_atomic = "8")]
pub use source::StaticArena;
#[cfg(all(feature = "spin", target_has_atomic = "8"))]
pub use source::StaticTalloc;
#[cfg(has_threads)]
pub use source::SystemTalloc;
#[cfg(has_system)]
pub use source::SystemTallock;
#[cfg(target_arch = "wasm32")]
pub use source::WasmTalloc;

#[cfg(all(doctest, feature = "spin", feature = "system", feature = "std", unix))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(
    doctest,
    feature = "spin",
    feature = "allocator",
    feature = "system",
    feature = "std",
    unix
))]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
