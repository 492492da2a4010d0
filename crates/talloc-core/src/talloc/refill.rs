//! Filling quick lists: several blocks at a time from new memory, or from the idle blocks of other lists.

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use super::Talloc;
use crate::config::Config;
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;

/// How many lists give a batch back before new memory is used.
const RECYCLED: usize = 4;

/// One part in `BUSY` of what the quick lists may hold does not count as idle.
const BUSY: usize = 8;

/// Where memory is ample, one part in `AMPLE_BUSY_SHARE` of the memory in use does not count as idle, but at least
/// `AMPLE_BUSY` bytes. With less, a program with many sizes would empty the lists that serve its next requests.
const AMPLE_BUSY_SHARE: usize = 16;
const AMPLE_BUSY: usize = 256 << 10;

/// How many granules are carved from the top at a time to fill a quick list.
const REFILL: usize = 48;

/// Where memory is ample, these are one part in `REFILL_SHARE` of the memory in use, but no more than [`MAX_REFILL`]. A
/// heap of a few KiB should not grow by its lists. `cargo xtask bench hosted` has the programs.
const REFILL_SHARE: usize = 4096;
const MAX_REFILL: usize = (4 << 10) / GRANULE;

/// How many blocks of each size [`REFILL`] granules are. It is a table, because division is slow.
const REFILLS: [u8; REFILL + 1] = {
    let mut blocks = [1; REFILL + 1];
    let mut len = 1;
    while len <= REFILL {
        blocks[len] = (REFILL / len) as u8;
        len += 1;
    }
    blocks
};

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates a block of a size with a quick list, for which no bin has a chunk. It is carved from the top of the
    /// arena where requests begin. Further blocks are carved for the list, because a program that builds a data
    /// structure allocates more of the same size.
    #[cfg_attr(not(small), inline(always))]
    pub(super) fn refill(&mut self, len: usize) -> Option<NonNull<u8>> {
        let most = match REFILLS.get(len) {
            // In a small arena, it would be too much.
            Some(most)
                if self.quick.cached() + REFILL <= self.quick.least()
                    && self.is_recent_listed() =>
            {
                usize::from(*most)
            }
            _ => 1,
        };
        if let Some(block) = self.recycle(len, most * len) {
            return Some(block);
        }
        let run = self.arenas.recent().take_run(len, most)?;
        Some(self.hand_out_run(run, len))
    }

    /// Allocates a block of a size with a quick list, where memory is ample. Further blocks for the list are carved
    /// from the same chunk. Their number grows with the memory in use.
    #[inline(always)]
    pub(super) fn allocate_run(
        &mut self,
        len: usize,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let share = self.arenas.used() / (REFILL_SHARE * GRANULE);
        let granules = share.clamp(REFILL, MAX_REFILL);
        let has_room = self.quick.cached() + granules <= self.quick.limit();
        let most =
            if has_room && len < granules && self.is_recent_listed() { granules / len } else { 1 };
        if let Some(block) = self.allocate_from_slab(len, most * len) {
            return Ok(block);
        }
        if let Some(run) = self.arenas.recent().take_run_from_bins(len, most) {
            return Ok(self.hand_out_run(run, len));
        }
        if let Some(block) = self.recycle(len, most * len) {
            return Ok(block);
        }
        match self.arenas.recent().take_run(len, most) {
            Some(run) => Ok(self.hand_out_run(run, len)),
            None => self.allocate_last(len, layout),
        }
    }

    /// Allocates the first block of a run, and puts the others on their list.
    #[inline(always)]
    fn hand_out_run(&mut self, run: Range<usize>, len: usize) -> NonNull<u8> {
        debug_assert!(!run.is_empty() && run.len() % len == 0, "a run is whole blocks");
        self.arenas.count_taken(run.len() * GRANULE);
        let mut at = run.end - len;
        while at > run.start {
            let arena = self.arenas.recent();
            let block = arena.hand_out(at, len);
            arena.set_aside(at);
            // SAFETY: The block is used granules of the arena that nobody has been given.
            unsafe {
                Self::fill(block, len);
                self.quick.push(block, len)
            };
            at -= len;
        }
        self.arenas.recent().hand_out(run.start, len)
    }

    /// Coalesces idle cached blocks of other sizes, and allocates a block from that memory. Does so only instead of the
    /// first use of new memory, so a program that grows leaves few idle blocks behind.
    #[cfg_attr(not(small), inline(always))]
    fn recycle(&mut self, len: usize, needed: usize) -> Option<NonNull<u8>> {
        if self.recycle_for(needed) { self.allocate_from_bins(len) } else { None }
    }

    /// Coalesces idle cached blocks, if `needed` granules would be the first use of new memory. Returns whether it did.
    #[cfg_attr(not(small), inline(always))]
    pub(super) fn recycle_for(&mut self, needed: usize) -> bool {
        let recycles = self.has_idle_blocks() && self.arenas.recent().is_top_new(needed);
        if recycles {
            self.recycle_lists();
        }
        recycles
    }

    /// Whether the quick lists hold idle blocks: more than the program is likely to allocate soon.
    #[inline(always)]
    pub(super) fn has_idle_blocks(&self) -> bool {
        let busy = if S::IS_AMPLE {
            (self.arenas.used() / AMPLE_BUSY_SHARE).max(AMPLE_BUSY) / GRANULE
        } else {
            self.quick.least() / BUSY
        };
        self.quick.cached() > busy
    }

    /// Coalesces idle cached blocks.
    #[cold]
    #[inline(never)]
    fn recycle_lists(&mut self) {
        for _ in 0..RECYCLED {
            self.flush_next();
        }
    }
}
