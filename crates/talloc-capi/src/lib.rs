//! The talloc allocator for C: `malloc`, `free` and their kin.
//!
//! A C program that links with the library calls `talloc_malloc` and so on, as its header
//! `include/talloc.h` says. One that knows nothing of it can be made to use it, too:
//!
//! ```sh
//! cargo build --release -p talloc-capi --no-default-features --features override
//! LD_PRELOAD=target/release/libtalloc_capi.so git gc
//! ```
//!
//! The functions are documented [here](crate#functions); the C library's manual says the same of them.
//!
//! # How a block's size is found
//!
//! The heap keeps no header, as who frees a block in Rust says how large it is. `free` does not. So
//! there are two heaps:
//!
//! - By default, eight bytes in front of a block hold its size; aligning the block to 16 bytes may
//!   take another eight. In front of the heap are caches for threads: it is that of `SystemTalloc`.
//! - With the feature `checked`, the heap's second bitmap tells the size, as it does in all `Checked`
//!   heaps. What is freed that is no block, or has been freed, is reported, and the program aborted.
//!   Each call takes a lock.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `prefixed` (default) | exports `talloc_malloc`, `talloc_free` and so on |
//! | `override` | exports `malloc`, `free` and so on, for the whole program |
//! | `checked` | finds misuse, at a lock for each call |
//!
//! Without the first two, nothing is exported, and the functions are those of a Rust library.
//!
//! # Threads, signals, and processes
//!
//! The functions may be called by any thread, before `main` and after it; not by signal handlers. A
//! process may fork while other threads allocate, and go on to allocate in the child: see `fork.rs`.
//!
//! Other systems than Unix have nothing of this.
#![no_std]
#![deny(missing_docs)]
#![cfg(unix)]

#[cfg(test)]
extern crate std;

mod abort;
mod fd;
mod fork;
mod functions;
mod heap;
mod library;
mod names;
mod statistics;
mod statistics_functions;
#[cfg(test)]
mod tests;
mod zone;

pub use functions::*;
pub use statistics::{MallInfo, MallInfo2};
pub use statistics_functions::*;
