//! A heap for one memory that grows at its end, as that of a WebAssembly module does.
//!
//! ```text
//!    base                                       gap                         top      end      acme
//!     |                                   |             |                    |        |        |
//!     | roots | used | free | used | free |   others'   | used | free | used |  free  | bitmap |
//! ```
//!
//! It keeps what makes the heap of `talloc-core` dense, blocks without headers and a boundary bit per
//! granule, and drops what such a memory does not need: windows, arenas in any number, and ends that
//! move downwards.
//!
//! * All of the memory from the first piece on is one arena. Addresses are links. If somebody else made
//!   the memory grow in between, their piece is a gap that looks like a used block: its bits are clear, so
//!   that nothing coalesces with it.
//! * The bitmap lies at the end of the memory. When that grows, the bitmap moves to the new end, and
//!   where it was is part of the top: it is never in the way of a block that grows.
//!
//! # Cost
//!
//! The bitmap takes a 64th of all memory above the first piece, gaps included, on a 32-bit machine. To
//! move it costs a 64th of that each time that the memory grows, which is by an eighth or more unless
//! memory is short: constant amortised time.
//!
//! # Invariants
//!
//! * L1: `base <= top <= end <= acme`. The bitmap starts at `end`, covers `base..acme` with a bit per granule,
//!   and has a byte to spare.
//! * L2: A free chunk below `top` has its size in its first word and its last one. If it has two granules
//!   or more, it is in the bin of its size.
//! * L3: A granule's bit is set if and only if it is the first or the last one of a free chunk. All bits
//!   from `top` on are clear.
//! * L4: No two free chunks touch, and none touches `top`.
//! * L5: What is in a bin links back to what comes before it, the first chunk to the root, and the last one
//!   on to it. A root has the size 0. A bin's bit in `map` is set if and only if it has chunks.
//! * L6: All memory in `fresh..end` is zero.
//! * L7: What is on a quick list is used, and nobody has it.
//!
//! # Code
//!
//! With an `opt-level` of `s` or `z`, primitives are functions of their own, as in `talloc-core`.

mod allocate;
mod bins;
mod bits;
mod grow;
mod memory;
mod quick;
mod release;
mod resize;
mod statistics;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

pub(crate) use memory::LinearMemory;
#[cfg(target_arch = "wasm32")]
pub(crate) use memory::PAGE;

use memory::GRANULE;

/// The number of an address that is in the heap's memory.
type Address = core::num::NonZeroUsize;

/// A heap in one memory that grows at its end.
///
/// Free chunks are in `BINS` bins, at most 64, of which `1 << SPLIT` share each doubling of the size. Blocks of
/// fewer than `QUICK` granules are kept on quick lists when they are freed.
///
/// It may be moved at any time, as nothing in its memory points at it.
pub struct Linear<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> {
    /// Which bins have chunks.
    map: u64,
    /// Where the roots of the bins are.
    roots: usize,
    /// Where the byte of bits for address 0 would be.
    bits: usize,
    /// The lowest address that the bitmap covers.
    base: usize,
    /// From here on, nothing is used; it is in no bin, and taken if no bin can help.
    top: usize,
    /// Where the top ends and the bitmap starts.
    end: usize,
    /// Where the bitmap and all of the heap's memory ends; 0 if there is none.
    acme: usize,
    /// From here on, the top has never been used and is zero.
    fresh: usize,
    /// Bytes of all pieces of memory that the heap was given.
    owned: usize,
    /// Bytes of all blocks, those in quick lists included.
    used: usize,
    /// The most that `used` had been when it last decreased.
    peak: usize,
    /// Requests that have failed.
    refused: usize,
    quick: quick::Lists<QUICK>,
    memory: M,
}

impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    /// A heap without memory, which asks `memory` for it.
    pub(crate) const fn new(memory: M) -> Self {
        Self {
            map: 0,
            roots: 0,
            bits: 0,
            base: 0,
            top: 0,
            end: 0,
            acme: 0,
            fresh: 0,
            owned: 0,
            used: 0,
            peak: 0,
            refused: 0,
            quick: quick::Lists::EMPTY,
            memory,
        }
    }

    /// The bytes of all memory that the heap has.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn owned(&self) -> usize {
        self.owned
    }
}

/// The bytes that a block of `size` bytes takes; `size` is at most `isize::MAX`.
#[inline(always)]
fn block_len(size: usize) -> usize {
    ((size + (GRANULE - 1)) & !(GRANULE - 1)).max(2 * GRANULE)
}
