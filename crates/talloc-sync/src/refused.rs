//! Programs that must not compile: each would replace a heap that still has allocated blocks. `talloc-core` has such
//! programs, too.
//!
//! A heap that is lent by a critical section cannot be swapped:
//!
#![cfg_attr(feature = "critical-section", doc = "```compile_fail,E0277")]
#![cfg_attr(not(feature = "critical-section"), doc = "```ignore")]
//! use talloc_sync::{Talloc, TallocCritical};
//!
//! static HEAP: TallocCritical = TallocCritical::new(Talloc::new());
//!
//! HEAP.with(|heap| core::mem::swap(heap, &mut Talloc::new()));
//! ```
//!
//! Nor does it stay with the program when the section ends:
//!
#![cfg_attr(feature = "critical-section", doc = "```compile_fail")]
#![cfg_attr(not(feature = "critical-section"), doc = "```ignore")]
//! use talloc_sync::{Talloc, TallocCritical};
//!
//! static HEAP: TallocCritical = TallocCritical::new(Talloc::new());
//!
//! let heap: &mut Talloc = HEAP.with(|heap| heap);
//! ```
//!
//! Nor can a heap behind magazines:
//!
//! ```compile_fail,E0277
//! use talloc_sync::{Talloc, TallocMagazines, lock::Backoff};
//!
//! static HEAP: TallocMagazines<Backoff> = TallocMagazines::new(Talloc::new());
//!
//! core::mem::swap(&mut *HEAP.lock(), &mut Talloc::new());
//! ```
//!
//! ```compile_fail,E0308
//! use talloc_sync::{Talloc, TallocMagazines, lock::Backoff};
//!
//! static HEAP: TallocMagazines<Backoff> = TallocMagazines::new(Talloc::new());
//!
//! *HEAP.lock() = Talloc::new();
//! ```
