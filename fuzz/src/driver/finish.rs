//! Cleaning up: all memory must be as at the beginning.

use std::alloc::Layout;

use talloc_core::Span;

use super::{Check, Driver};
use crate::heap::{GRANULE, Heap};
use crate::supply::Kind;
use crate::trace::Fresh;

/// An arena of this size always has a free chunk if no block is allocated.
const ROOMY: usize = 4096;

impl<H: Heap> Driver<H> {
    /// Frees all blocks, allocates each free chunk in one piece, and gives the arenas back.
    pub(super) fn finish(&mut self) -> Check {
        self.heap.talloc_mut().source_mut().set_kind(Kind::Refuse);
        self.check_memory()?;
        self.free_all()?;
        self.check_coalesced()?;
        self.allocate_whole()?;
        self.free_all()?;
        self.check_coalesced()?;
        self.give_back()
    }

    /// Frees all blocks in an order that is neither that of allocation nor that of addresses.
    fn free_all(&mut self) -> Check {
        while !self.shadow.blocks().is_empty() {
            self.free(self.steps() * 31 % self.shadow.blocks().len())?;
        }
        self.flush()
    }

    /// Checks that each arena has a single free chunk, unless it is too small.
    fn check_coalesced(&self) -> Check {
        let chunks = self.report.free_chunks;
        let roomy = self.arenas.iter().filter(|arena| arena.size() >= ROOMY).count();
        if (roomy..=self.arenas.len()).contains(&chunks) {
            Ok(())
        } else {
            Err(format!(
                "nothing is allocated, but {} arenas are {chunks} free chunks: {:?}",
                self.arenas.len(),
                self.report
            ))
        }
    }

    /// Allocates each free chunk in one piece.
    fn allocate_whole(&mut self) -> Check {
        let chunks = self.report.free_chunks;
        for _ in 0..chunks {
            let size = self.limits.largest_in(self.report.largest_free_bytes);
            // A chunk may be too small for a block.
            if size > 0 && !self.malloc(size, 1, Fresh::Zeroed)? {
                return Err(format!("cannot allocate the largest free chunk: {:?}", self.report));
            }
        }
        if self.report.free_bytes > chunks * (self.limits.rounded(1) - GRANULE) {
            return Err(format!("not all free memory could be allocated: {:?}", self.report));
        }
        self.check_memory()
    }

    /// Truncates the first arena to nothing, and releases the others.
    fn give_back(&mut self) -> Check {
        if self.heap.get_arena().is_sized() {
            self.tighten(0, 0)?;
        }
        while !self.arenas.is_empty() {
            self.release(0)?;
        }
        let empty = Layout::new::<u8>();
        if self.limits.surely_fits(&self.report, empty) || self.heap.get_arena() != Span::empty() {
            return Err(format!("memory is left without an arena: {:?}", self.report));
        }
        self.check_memory()
    }
}
