//! The whole talloc allocator: heaps that are ready to be the global allocator, sources of memory
//! for them, and everything that `talloc-sync` and `talloc-core` export.
//!
//! Most programs need only `use talloc_global::*`. Modules hold the rest, by topic:
//!
//! | module | |
//! |---|---|
//! | [`config`] | parameters of a heap, ready-made configurations, and adaptors |
//! | [`source`] | sources of memory |
//! | [`lock`] | locks |
//! | [`inspect`] | statistics, reports, and what a heap holds |
//! | [`misuse`] | what a checked heap reports |
//! | [`kinds`] | kinds of memory, and requests for a particular kind |
//! | [`custom`] | for your own wrappers, caches and heaps |
//!
//! # Which heap
//!
//! | memory | as the global allocator | |
//! |---|---|---|
//! | from the operating system | `SystemTalloc::new()` | [`SystemTalloc`], a heap for each thread |
//! | from the operating system | `SystemTallock::new()` | [`SystemTallock`], one heap behind a lock |
//! | of a WebAssembly module | `WasmTalloc::new()` | [`WasmTalloc`], without a lock where there are no threads |
//! | a `static` | `StaticTalloc::new(&ARENA)` | [`StaticTalloc`] |
//! | reserved by a linker script | `StaticTalloc::with_source(region)` | [`Region`] |
//! | claimed by the program | `Talloc::new().spin_lock()` | [`Tallock`] |
//! | supplied by a function when the heap is short of memory | `Talloc::with_oom_handler(function).spin_lock()` | [`Talloc::with_oom_handler`] |
//! | from a source of your own | `Talloc::with_source(source).lock()` | [`Source`] |
//!
//! A heap that only one thread uses needs no lock: see [`TallocCell`].
//!
//! Heaps return memory to the operating system when they no longer need it: see [`SystemSource`], and
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
//! Code that runs before `main` may allocate. For example, Rust's start-up code on Linux allocates the name of
//! the main thread. If `main` claims the memory of a global allocator, the allocator therefore works only
//! where nothing runs before `main`: on bare metal, or with `#![no_main]`. All other heaps above have memory
//! from the first allocation on.
//!
//! # How it works
//!
//! Three walkthroughs follow a request through the crates, with links to each function:
//! `source/system/threads/walkthrough.rs` of this crate starts at [`SystemTalloc`], `threads/walkthrough.rs` of
//! `talloc-sync` covers the heaps of threads, and `walkthrough.rs` of `talloc-core` covers the arenas. They are part of
//! the documentation with private items: `cargo doc --document-private-items`.
//!
//! # Features
//!
//! All features are additive.
//!
//! | feature | adds |
//! |---|---|
//! | `spin` (default) | [`StaticTalloc`], [`Talloc::spin_lock`](Talloc#method.spin_lock), spin locks |
//! | `allocator` (default) | [`Allocator`], the trait of allocator-api2 0.2, for hashbrown and bumpalo |
//! | `system` (default) | on Unix and Windows, [`SystemTallock`]; on other systems nothing |
//! | `std` (default) | on Unix and Windows, with `system`, [`SystemTalloc`]; on other systems nothing |
//! | `allocator-api2-03` | the trait `Allocator` of allocator-api2 0.3 |
//! | `allocator-api2-04` | the trait `Allocator` of allocator-api2 0.4 |
//! | `allocator_api` | the trait `Allocator` of the standard library, on a nightly compiler |
//! | `critical-section` | `TallocCritical`, for interrupt handlers that allocate |
//! | `serde` | `serde::Serialize` for statistics |
//! | `json` | statistics as JSON, if `TALLOC_STATS` requests it |
//! | `snapshot` | `write_snapshot`: a map of each heap, which `talloc map` draws |
//! | `defmt` | `defmt::Format` for reports and errors, whose texts are not part of the program |
//!
//! [`WasmTalloc`] and its source need no feature, and cost nothing on other targets.
//!
//! The crate is `no_std` unless `std` is on for Unix or Windows. Without `spin`, it builds for cores that have no
//! atomic compare-and-swap.
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
