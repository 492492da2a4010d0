//! Memory regions and alignments as values.
//!
//! A [`Span`] is an interval of addresses, `[base, acme)`: the byte at `base` belongs to it, the
//! byte at `acme` is the first one past it.
//!
//! ```text
//!            base                                acme
//!             │                                   │
//!             ▼                                   ▼
//!  ── ─┬──────┬───┬───┬───┬───┬───┬───┬───┬───┬───┬──────┬─ ──▶ addresses
//!      │      │███│███│███│███│███│███│███│███│███│      │
//!  ── ─┴──────┴───┴───┴───┴───┴───┴───┴───┴───┴───┴──────┴─ ──
//!             ◀──────────── size() ───────────────▶
//! ```
//!
//! An [`Align`] is an alignment, that is, a power of two. Both are small `Copy` values, and
//! nearly everything they do is `const`, allocates nothing, and takes constant time.
//!
//! # Example: a frame allocator
//!
//! A kernel is told which memory is usable and where its own image lies. It hands out the rest
//! in page frames.
//!
//! ```
//! use talloc_span::{Align, Span};
//!
//! const FRAME: Align = Align::new(4096).unwrap();
//!
//! struct Frames {
//!     free: Span,
//! }
//!
//! impl Frames {
//!     /// Takes the frames of `memory` that lie above `image`.
//!     fn new(memory: Span, image: Span) -> Self {
//!         let (_below, above) = memory.except(image);
//!         Self { free: above.align_inward(FRAME) }
//!     }
//!
//!     fn take(&mut self) -> Option<Span> {
//!         // `free` starts on a frame boundary and is a whole number of frames long.
//!         let end = self.free.base()? + FRAME.get();
//!         let (frame, rest) = self.free.split_at(end);
//!         self.free = rest;
//!         Some(frame)
//!     }
//! }
//!
//! let mut frames = Frames::new(Span::new(0x10_0000, 0x20_3800), Span::new(0x10_0000, 0x20_1234));
//! assert_eq!(frames.take(), Some(Span::new(0x20_2000, 0x20_3000)));
//! assert_eq!(frames.take(), None);
//! ```
//!
//! # Why not just `Range<*mut u8>`?
//!
//! * **Nothing wraps.** Arithmetic near either end of the address space gives an empty span,
//!   `None` or a documented panic, the same in debug and release builds.
//! * **Empty means empty.** `5..3`, `5..5` and `0..0` are three ranges but one empty [`Span`]: it
//!   compares equal to itself, contains nothing and overlaps nothing.
//! * **The operations are there:** aligning, intersecting, covering, splitting, cutting out.
//! * **It is `Copy`, `Send` and `Sync`**, so it can be passed around freely and put in a `static`.
//!
//! And unlike `Range<usize>`, a span made from a pointer keeps that pointer's provenance.
//!
//! # Provenance
//!
//! A span made from a pointer or a slice remembers it, and every operation carries it along: the
//! pointers taken from the result may access whatever the first pointer might.
//!
//! A span made from plain addresses ([`Span::new`], [`Span::from_base_size`], `Range<usize>`) has
//! no pointer to remember. When asked for one it casts the address, `addr as *mut u8`, which
//! picks up whatever [provenance has been exposed](core::ptr#exposed-provenance) there. This is
//! what a kernel means by an address out of a memory map, where there is no pointer to start
//! from. Code that keeps to strict provenance builds its spans from pointers.
//!
//! A span is no claim to the memory it covers. It may reach beyond what its pointer may access
//! or name memory that does not exist; that matters only to code that follows the pointers.
//!
//! # Limits
//!
//! `acme` is an address too, so a span reaches at most up to `usize::MAX`: the very last byte
//! of the address space belongs to no span.
//!
//! # Features
//!
//! The crate has no Cargo features, needs no `alloc`, and has no `unsafe` code but the two
//! one-line `Send` and `Sync` implementations that holding a raw pointer calls for.

#![no_std]
#![deny(missing_docs)]
// `forbid` would leave no room for the two implementations in `provenance`.
#![deny(unsafe_code)]

mod align;
mod provenance;
mod span;

pub use align::Align;
pub use span::Span;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
