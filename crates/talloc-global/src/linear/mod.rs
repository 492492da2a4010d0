//! A heap for a single memory that grows at its end, such as the linear memory of a WebAssembly module.
//!
//! ```text
//!    base                                       gap                         top      end      acme
//!     |                                   |             |                    |        |        |
//!     | roots | used | free | used | free |   others'   | used | free | used |  free  | bitmap |
//! ```
//!
//! Like the heap of `talloc-core`, it is dense: blocks have no headers, and the bitmap has a boundary bit for each
//! granule. It omits the parts of `talloc-core` that such a memory does not need: windows, several arenas, and arenas
//! that grow downwards.
//!
//! * All memory from the first piece on is one arena. Links are addresses. If other code grows the memory, its
//!   piece is a gap in the arena. The gap looks like a used block: its bits are clear, so nothing coalesces with it.
//! * The bitmap lies at the end of the memory. When the memory grows, the bitmap moves to the new end, and its old
//!   place becomes part of the top. The bitmap is therefore never in the way of a block that grows.
//!
//! # Cost
//!
//! On a 32-bit machine, the bitmap takes a 64th of all memory from the first piece on, gaps included. It is copied each
//! time that the memory grows. The memory grows by at least an eighth unless it is short, so copying takes constant
//! amortised time.
//!
//! # Invariants
//!
//! * L1: `base <= top <= end <= acme`. The bitmap starts at `end`, covers `base..acme` with a bit per granule,
//!   and has a byte to spare.
//! * L2: A free chunk below `top` stores its size in its first and in its last word. If it has two granules
//!   or more, it is in the bin for its size, with links in its second and third word.
//! * L3: A granule's bit is set if and only if it is the first or the last one of a free chunk. All bits
//!   from `top` on are clear.
//! * L4: No two free chunks touch, and none touches `top`.
//! * L5: The chunks of a bin and its root form a circular, doubly linked list. A root has the size 0. A bin's bit in
//!   `map` is set if and only if the bin has chunks.
//! * L6: All memory in `fresh..end` is zero.
//! * L7: A block on a quick list counts as used in the bitmap, and is not allocated.
//!
//! # Code
//!
//! An `opt-level` of `s` or `z` has the effects that `talloc-core` lists under "Size of the code".

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

/// An address in the heap's memory.
type Address = core::num::NonZeroUsize;

/// A heap in a single memory that grows at its end.
///
/// Free chunks are in `BINS` bins, at most 64. Each doubling of the size has `1 << SPLIT` bins. Freed blocks of fewer
/// than `QUICK` granules go to quick lists.
///
/// The heap may be moved at any time, because nothing in its memory points to it.
pub struct Linear<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> {
    /// A bit for each bin that has chunks.
    map: u64,
    /// The address of the roots of the bins.
    roots: usize,
    /// The address at which the bitmap's byte for address 0 would lie.
    bits: usize,
    /// The lowest address that the bitmap covers.
    base: usize,
    /// The start of the top: unused memory that is in no bin, and is used if no bin has a chunk that fits.
    top: usize,
    /// The end of the top, and the start of the bitmap.
    end: usize,
    /// The end of the bitmap and of the heap's memory; 0 if the heap has no memory.
    acme: usize,
    /// The start of the part of the top that has never been used and is zero.
    fresh: usize,
    /// The bytes of all pieces of memory that the heap has been given.
    owned: usize,
    /// The bytes of all blocks, including blocks in quick lists.
    used: usize,
    /// The highest value of `used`, up to the last decrease.
    peak: usize,
    /// Requests that have failed.
    refused: usize,
    quick: quick::Lists<QUICK>,
    memory: M,
}

impl<M, const BINS: usize, const SPLIT: u32, const QUICK: usize> Linear<M, BINS, SPLIT, QUICK> {
    /// Makes a heap that gets its memory from `memory` when it is first used.
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
