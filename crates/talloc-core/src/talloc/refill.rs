//! Filling quick lists: from new memory, several blocks at a time, or from what others hold that are idle.

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;

use super::Talloc;
use crate::config::Config;
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;

/// How many lists give blocks back before new memory is used.
const RECYCLED: usize = 4;

/// The part of what the quick lists may hold that is not taken for idle is one in as many.
const BUSY: usize = 8;

/// Where memory is ample, it is one part in so many of what is in use, but at least so many bytes: a program with
/// many sizes would empty the lists again and again that its next requests want.
const AMPLE_BUSY_SHARE: usize = 16;
const AMPLE_BUSY: usize = 256 << 10;

/// How many granules are carved from the top at a time for a quick list.
const REFILL: usize = 48;

/// Where memory is ample, one part in so many of what is in use, but no more than [`MAX_REFILL`]: a heap of a few
/// KiB should not grow by lists. `cargo xtask bench hosted` has the programs.
const REFILL_SHARE: usize = 4096;
const MAX_REFILL: usize = (4 << 10) / GRANULE;

/// How many blocks of each size that is: a table, for division is slow.
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
    /// Allocates a block of a size that has a quick list, and that no bin has, from the top of the
    /// arena that gave memory last. More blocks are taken for the list: programs that build something
    /// ask for more of the same.
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

    /// Allocates a block of a size that has a quick list where memory is ample, and more blocks for the list
    /// from the same chunk: as many as there is use for, by what is in use at all.
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

    /// Hands out the first block of a run of blocks, and puts the others on their list.
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
            unsafe { self.quick.push(block, len) };
            at -= len;
        }
        self.arenas.recent().hand_out(run.start, len)
    }

    /// Allocates a block of what blocks of other sizes leave that are coalesced now, if that saves
    /// the first use of memory: a program that grows should not leave idle blocks behind.
    #[cfg_attr(not(small), inline(always))]
    fn recycle(&mut self, len: usize, needed: usize) -> Option<NonNull<u8>> {
        if self.has_idle_blocks() && self.arenas.recent().is_top_new(needed) {
            self.recycle_lists(len)
        } else {
            None
        }
    }

    /// Whether the quick lists hold more than is likely to be asked for soon.
    #[inline(always)]
    pub(super) fn has_idle_blocks(&self) -> bool {
        let busy = if S::IS_AMPLE {
            (self.arenas.used() / AMPLE_BUSY_SHARE).max(AMPLE_BUSY) / GRANULE
        } else {
            self.quick.least() / BUSY
        };
        self.quick.cached() > busy
    }

    /// [`recycle`](Self::recycle), if there are idle blocks and new memory is needed.
    #[cold]
    #[inline(never)]
    fn recycle_lists(&mut self, len: usize) -> Option<NonNull<u8>> {
        for _ in 0..RECYCLED {
            self.flush_next();
        }
        self.allocate_from_bins(len)
    }
}
