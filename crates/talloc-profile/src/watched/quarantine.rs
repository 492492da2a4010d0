//! A quarantine: freed blocks that are not reused for a while.

use std::alloc::Layout;

/// How many blocks are kept.
const BLOCKS: usize = 4096;

/// The most bytes, unless a single block is larger.
const BYTES: usize = 64 << 20;

/// A block of the allocator within.
#[derive(Clone, Copy)]
pub struct Freed {
    pub block: *mut u8,
    pub layout: Layout,
}

/// The blocks that were freed last. Memcheck reports each access to them.
pub struct Quarantine {
    ring: [Option<Freed>; BLOCKS],
    /// The oldest block's place, and how many there are.
    first: usize,
    count: usize,
    bytes: usize,
}

// SAFETY: The quarantine owns its blocks.
unsafe impl Send for Quarantine {}

impl Quarantine {
    pub const fn new() -> Self {
        Self { ring: [None; BLOCKS], first: 0, count: 0, bytes: 0 }
    }

    /// Removes the oldest block if there is no room for another one with this layout.
    pub fn make_room(&mut self, layout: Layout) -> Option<Freed> {
        let is_full = self.count == BLOCKS || self.bytes + layout.size() > BYTES;
        if self.count == 0 || !is_full {
            return None;
        }
        let oldest = self.ring[self.first].take()?;
        self.first = (self.first + 1) % BLOCKS;
        self.count -= 1;
        self.bytes -= oldest.layout.size();
        Some(oldest)
    }

    /// Keeps a block, for which room has been made.
    pub fn keep(&mut self, freed: Freed) {
        self.ring[(self.first + self.count) % BLOCKS] = Some(freed);
        self.count += 1;
        self.bytes += freed.layout.size();
    }
}
