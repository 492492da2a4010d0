//! Programs that must not compile: each would replace a heap that still has allocated blocks, or give two heaps the
//! same memory. `talloc-core` and `talloc-sync` have such programs, too.
//!
//! The heap of a ready-made allocator cannot be swapped:
//!
#![cfg_attr(feature = "spin", doc = "```compile_fail,E0277")]
#![cfg_attr(not(feature = "spin"), doc = "```ignore")]
//! use talloc_global::*;
//!
//! static ARENA: StaticArena<4096> = StaticArena::new();
//! static HEAP: StaticTalloc = StaticTalloc::new(&ARENA);
//!
//! core::mem::swap(&mut *HEAP.0.lock(), &mut Talloc::with_source(ARENA.region()));
//! ```
//!
//! Nor is anything assigned to it:
//!
#![cfg_attr(has_system, doc = "```compile_fail,E0308")]
#![cfg_attr(not(has_system), doc = "```ignore")]
//! use talloc_global::{source::SystemSource, *};
//!
//! static HEAP: SystemTallock = SystemTallock::new();
//!
//! *HEAP.0.lock() = Talloc::with_source(SystemSource::new());
//! ```
//!
#![cfg_attr(has_system, doc = "```compile_fail,E0308")]
#![cfg_attr(not(has_system), doc = "```ignore")]
//! use talloc_global::{source::SystemSource, *};
//!
//! static HEAP: SystemTallock = SystemTallock::new();
//!
//! HEAP.with(|heap| *heap = Talloc::with_source(SystemSource::new()));
//! ```
//!
//! The lock within, which an allocator dereferences to, is not exchanged, whether the allocator is shared or not:
//!
#![cfg_attr(has_system, doc = "```compile_fail,E0596")]
#![cfg_attr(not(has_system), doc = "```ignore")]
//! use talloc_global::*;
//!
//! let (mut one, mut other) = (SystemTallock::new(), SystemTallock::new());
//!
//! core::mem::swap(&mut one.0, &mut other.0);
//! ```
//!
//! Not even the owner of a heap can replace it while a block is allocated:
//!
#![cfg_attr(all(has_system, feature = "allocator"), doc = "```compile_fail,E0506")]
#![cfg_attr(not(all(has_system, feature = "allocator")), doc = "```ignore")]
//! use allocator_api2::boxed::Box;
//! use talloc_global::*;
//!
//! let mut heap = SystemTallock::new();
//! let number = Box::new_in(7, &heap);
//! heap = SystemTallock::new();
//! drop(number);
//! ```
//!
//! A region is for one heap:
//!
#![cfg_attr(feature = "spin", doc = "```compile_fail,E0382")]
#![cfg_attr(not(feature = "spin"), doc = "```ignore")]
//! use talloc_global::{lock::Spin, *};
//!
//! static ARENA: StaticArena<4096> = StaticArena::new();
//!
//! let region = ARENA.region();
//! let one = Talloc::<Compact, _>::with_source(region).lock::<Spin>();
//! let other = Talloc::<Compact, _>::with_source(region).lock::<Spin>();
//! ```
//!
//! The memory of a heap is a `static`, or lives as long as one:
//!
#![cfg_attr(feature = "spin", doc = "```compile_fail,E0597")]
#![cfg_attr(not(feature = "spin"), doc = "```ignore")]
//! use talloc_global::*;
//!
//! let heap = {
//!     let arena = StaticArena::<4096>::new();
//!     StaticTalloc::new(&arena)
//! };
//! assert!(heap.verify().is_ok());
//! ```
//!
//! A region given by its bounds requires `unsafe`, because the caller must vouch for its memory:
//!
//! ```compile_fail,E0133
//! use talloc_global::Region;
//!
//! let region = Region::new(core::ptr::null_mut()..core::ptr::without_provenance_mut(4096));
//! ```
//!
//! Adding a block to a batch requires `unsafe`, too:
//!
//! ```compile_fail,E0133
//! use talloc_global::custom::Batch;
//!
//! Batch::EMPTY.push(core::ptr::NonNull::dangling());
//! ```
