//! Allocation traces: what a program asked of its allocator, event by event, in a few bytes each.
//!
//! | to | use | feature |
//! |---|---|---|
//! | read a trace, of any size | [`Reader`], [`open`] | `std` (default) |
//! | know which objects are live, and their sizes | [`Live`] | `std` |
//! | replay a trace on a heap | [`Script`](script::Script) | `std` |
//! | write a trace | [`Writer`] | `std` |
//! | read and write compressed files | [`open`], [`create`] | `zstd` (default) |
//! | record a program, on any target | `Traced` | `traced` |
//! | record its call stacks | `Backtraces` | `backtrace` |
//! | write events to anything, without memory | [`Encoder`] | none |
//! | write what lies where in a heap to anything, and read it | [`snapshot`] | none; `std` to read |
//!
//! Without `std`, the crate is `no_std` and does not allocate.
//!
//! # Examples
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use talloc_trace::{Op, Reader, Writer};
//!
//! let mut writer = Writer::streaming(Vec::new())?;
//! let block = writer.alloc(40, None)?;
//! writer.realloc(block, 80)?;
//! writer.free(block)?;
//! let file = writer.finish()?;
//!
//! let mut live = 0_i64;
//! for event in Reader::new(file.as_slice())? {
//!     match event?.op {
//!         Op::Alloc { .. } => live += 1,
//!         Op::Free { .. } => live -= 1,
//!         _ => {}
//!     }
//! }
//! assert_eq!(live, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The format
//!
//! A trace file is little endian, and usually compressed as one zstd stream. Numbers are LEB128 varints unless
//! the text says otherwise.
//!
//! ## Header
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | the magic `ATRACE1` and a zero byte |
//! | 8..16 | `u64`: the number of records |
//! | 16..24 | `u64`: the number of bytes of all records |
//! | 24..32 | `u64`: the number of objects |
//! | 32..40 | `u64`: the number of threads |
//! | 40..48 | `u64`: 1 if the recording was cut off, else 0 |
//! | 48..56 | `u64`: the number of frees of objects that the recording does not know |
//! | 56..64 | `u64`: [`Flags`]; 0 for the plain format |
//!
//! If any flag is set, an extension of 16 bytes follows, which the number of bytes in the header does not count:
//! a `u64` with the ticks per second of the clock (0 without a clock), and a `u64` that is 0. So a reader that does
//! not know flags finds a file whose length contradicts its header, and refuses it; a reader that knows flags
//! refuses those that it does not know.
//!
//! | flag | meaning |
//! |---|---|
//! | [`Flags::CALL_SITES`] | allocations and reallocations have a call stack |
//! | [`Flags::TIMES`] | records have a time |
//! | [`Flags::ADDRESSES`] | records name objects by their addresses, not by their ages |
//! | [`Flags::STREAMED`] | the counts in the header are 0, and the last record is an end record |
//!
//! ## Records
//!
//! | part | present | what |
//! |---|---|---|
//! | head | always | one byte; see below |
//! | thread | bit 2 of the head | the number of the thread, if it is not that of the record before; at first, 0 |
//! | alignment | bit 3 of the head | one byte: the logarithm of the alignment that was asked for |
//! | time | with `TIMES` | the ticks since the record before; for the first, since the clock's origin |
//! | body | always | see below |
//! | call stack | with `CALL_SITES` | after an allocation, a reallocation or a refusal |
//!
//! Bits 0 and 1 of the head are the operation. Bit 4 is set for notes, which occur only in files with flags. Bits
//! 5 to 7 are 0.
//!
//! | bits 0-1 | event | body | body with `ADDRESSES` |
//! |---|---|---|---|
//! | 0 | allocation | size | size, address |
//! | 1 | allocation of zeros | size | size, address |
//! | 2 | reallocation | age, new size | address, new size |
//! | 3 | free | age | address |
//!
//! | bits 0-1 | note | body |
//! |---|---|---|
//! | 0 | events were lost here | how many |
//! | 1 | the end of a streamed trace | |
//! | 2 | a request was refused | its size |
//! | 3 | the end of a reallocation, with `ADDRESSES` | the new address, 0 if the request was refused |
//!
//! The first object has the id 0, the next the id 1. An *age* is the newest id minus the object's. A
//! reallocation keeps the id. Sizes may be 0, and at most [`MAX_OBJECT_SIZE`]. Objects that live at the end are not freed in the file. The order of
//! the records is a valid serialisation: each object is allocated before it is freed, across threads, too.
//!
//! An *address* is the difference from the address in the record before (in the first, from 0), wrapping, in zigzag
//! form; only the end of a reallocation has its address as it is.
//!
//! A *call stack* is the number of frames that it shares with the call stack before, counted from the outermost;
//! then the number of further frames; then the return addresses of these, innermost first, each as the difference
//! from the one before (the first, from 0) in zigzag form. Call stacks have at most [`MAX_FRAMES`] frames.
//!
//! ## Why two ways to name objects
//!
//! Ages compress well and need no addresses, but whoever writes them needs a table from addresses to ids, as large
//! as the heap has blocks. A device has no room for that, and the table would disturb what is measured on a host.
//! So `Traced` writes addresses, in constant memory and time, and [`Reader`] turns them into ids. The price is that
//! a reallocation takes two records: its start takes the old address out of use, since another thread may get that
//! address before the reallocation returns.
#![no_std]
#![deny(missing_docs)]

#[cfg(any(feature = "std", test))]
extern crate std;

mod encoder;
mod flags;
mod sink;
pub mod snapshot;
mod varint;

#[cfg(feature = "std")]
mod addresses;
#[cfg(feature = "std")]
mod bytes;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod event;
#[cfg(feature = "std")]
mod file;
#[cfg(feature = "std")]
mod limits;
#[cfg(feature = "std")]
mod live;
#[cfg(feature = "std")]
mod reader;
#[cfg(feature = "std")]
mod replay;
#[cfg(feature = "std")]
pub mod script;
#[cfg(feature = "std")]
mod sites;
#[cfg(feature = "traced")]
mod traced;
#[cfg(feature = "std")]
mod writer;

pub use encoder::{Action, EncodeError, Encoder, Record};
pub use flags::{Flags, HEADER_SIZE, Header, MAX_FRAMES, MAX_OBJECT_SIZE};
pub use sink::Sink;

#[cfg(feature = "std")]
pub use error::{Error, ErrorKind};
#[cfg(feature = "std")]
pub use event::{Event, Op};
#[cfg(feature = "std")]
pub use file::{Recording, create, open, read_any, read_from};
#[cfg(feature = "std")]
pub use limits::Limits;
#[cfg(feature = "std")]
pub use live::{Change, Live, Object};
#[cfg(feature = "std")]
pub use reader::Reader;
#[cfg(feature = "std")]
pub use sink::IoSink;
#[cfg(feature = "std")]
pub use sites::{SiteId, Sites};
#[cfg(all(feature = "traced", feature = "backtrace", not(windows)))]
pub use traced::Backtraces;
#[cfg(all(feature = "traced", feature = "std"))]
pub use traced::Hosted;
#[cfg(feature = "traced")]
pub use traced::{Bare, Context, Traced};
#[cfg(feature = "std")]
pub use writer::Writer;

#[cfg(all(doctest, feature = "std", feature = "traced"))]
#[doc = include_str!("../README.md")]
struct Readme;
