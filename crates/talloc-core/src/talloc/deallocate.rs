//! Freeing: to a quick list, or to the arena, which coalesces.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Talloc;
use crate::arena::Arena;
use crate::config::Config;
use crate::quick::Lists;

/// How many blocks are given back to the arenas at a time when the quick lists hold too much.
const BATCH: usize = 32;

/// The part of what the quick lists may hold that is free after they held too much is one in as
/// many.
const SLACK: usize = 4;

impl<C: Config, S> Talloc<C, S> {
    /// Frees a block.
    ///
    /// Takes constant time, if there is one arena; to find that of the block takes time in
    /// proportion to their number.
    ///
    /// # Panics
    ///
    /// If the heap has several arenas and `ptr` points into none of them.
    ///
    /// # Safety
    ///
    /// `ptr` is a block of this heap, allocated or last reallocated with `layout`, and is not used
    /// any more.
    #[inline]
    pub unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let len = Arena::<C>::block_len(layout.size());
        if len < C::Quick::CLASSES {
            let block = self.arena_of(ptr).block(ptr);
            // SAFETY: The caller gives up the block.
            if unsafe { self.quick.push(block, len) } {
                self.trim(len);
            }
        } else {
            // SAFETY: The block is `len` granules, which the caller gives up.
            unsafe { self.release(ptr, len) };
        }
    }

    /// Gives a block back to its arena.
    ///
    /// # Safety
    ///
    /// It is a block of `len` granules that is not used any more.
    #[inline(never)]
    unsafe fn release(&mut self, block: NonNull<u8>, len: usize) {
        let arena = self.arena_of(block);
        let at = arena.granule(block);
        // SAFETY: The block is used granules of the arena, which the caller gives up.
        unsafe { arena.release(at, len) };
    }

    /// Coalesces all blocks in the quick lists, and makes one free chunk of each arena in which
    /// nothing is allocated.
    ///
    /// Cached blocks count as free anyway; this makes memory of them that any size can be
    /// allocated from. It happens by itself before a request fails.
    pub fn flush(&mut self) {
        self.coalesce();
    }

    /// [`flush`](Self::flush), which returns whether there was anything to do.
    pub(super) fn coalesce(&mut self) -> bool {
        let cached = self.quick.cached() > 0;
        if cached {
            for len in 1..C::Quick::CLASSES {
                self.flush_list(len, usize::MAX);
            }
        }
        self.tidy() || cached
    }

    /// Coalesces a batch of blocks of `len` granules, and of other sizes in turn, until the quick
    /// lists have room for more blocks to come.
    #[cold]
    #[inline(never)]
    fn trim(&mut self, len: usize) {
        let enough = self.quick.limit() - self.quick.limit() / SLACK;
        self.flush_list(len, BATCH);
        while self.quick.cached() > enough {
            let len = self.quick.turn();
            self.flush_list(len, BATCH);
        }
    }

    /// Coalesces up to `most` blocks of `len` granules.
    fn flush_list(&mut self, len: usize, most: usize) {
        let mut left = most;
        while left > 0 {
            let Some(run) = self.pop_run(len, &mut left) else { return };
            // SAFETY: The run is used granules of one arena, which no list holds any more.
            unsafe { self.release(run.start, run.len) };
        }
    }

    /// Takes blocks of `len` granules from their list as long as each lies next to those before.
    ///
    /// Counts `left` down by their number.
    fn pop_run(&mut self, len: usize, left: &mut usize) -> Option<Run> {
        let start = self.quick.pop(len)?;
        let mut run = Run { start, len };
        *left -= 1;
        while *left > 0 {
            let Some(block) = self.quick.first(len) else { break };
            let arena = self.arena_of(run.start);
            let at = arena.granule(run.start);
            // A neighbour may be of another arena, whose granules are numbered otherwise.
            if !arena.contains(block.addr().get()) {
                break;
            }
            let next = arena.granule(block);
            if next + len == at {
                run.start = block;
            } else if next != at + run.len {
                break;
            }
            run.len += len;
            self.quick.pop(len);
            *left -= 1;
        }
        Some(run)
    }
}

/// Used granules of one arena.
struct Run {
    start: NonNull<u8>,
    len: usize,
}
