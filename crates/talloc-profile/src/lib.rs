//! Heap profiles: who allocated what, how much of it is live, and how much was at the peak.
//!
//! [`Profiled`] is a global allocator around another one. It samples a block every 512 KiB on average, so that it can
//! run in production; its [`Profile`] says, for each call stack, how many blocks and bytes have been allocated and how
//! many are live. A profile is written as [`pprof`], which opens in `pprof`, Pyroscope and speedscope, and as [`dhat`],
//! which opens in `dh_view`.
//!
//! ```
//! use std::alloc::System;
//! use talloc_profile::{DEFAULT_INTERVAL, Profiled};
//!
//! #[global_allocator]
//! static ALLOCATOR: Profiled<System> = Profiled::new(System);
//!
//! # #[expect(clippy::needless_doctest_main)]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     ALLOCATOR.start(DEFAULT_INTERVAL);
//!     let leaked: &mut [u8] = vec![1_u8; 64 << 20].leak();
//!
//!     let profile = ALLOCATOR.profile();
//!     let worst = profile.leaks()[0];
//!     assert!(worst.live.bytes >= 64e6);
//!     std::fs::write(std::env::temp_dir().join("heap.pb.gz"), profile.to_pprof()?)?;
//!     std::fs::write(std::env::temp_dir().join("heap.dhat.json"), profile.to_dhat()?)?;
//! #   assert_eq!(leaked[0], 1);
//!     Ok(())
//! }
//! ```
#![deny(missing_docs)]

pub mod dhat;
pub mod pprof;

mod profile;
mod profiled;
mod symbols;
mod tally;
#[cfg(all(
    feature = "valgrind",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod watched;

pub use profile::{Counts, Frame, FrameId, Line, Profile, Site, TimeUnit};
#[cfg(unix)]
pub use profiled::OnSignal;
pub use profiled::{AtExit, DEFAULT_INTERVAL, Profiled};
pub use tally::{SiteTally, Tally};
#[cfg(all(
    feature = "valgrind",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use watched::Watched;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
