//! Giving cached blocks back to the arenas, which coalesce them.

use core::ptr::NonNull;

use super::Talloc;
use crate::config::{Config, Level};
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;

/// How many blocks of a quick list make a batch,
const BATCH: usize = 32;

/// or how many granules, if those are fewer blocks. These are 64 KiB.
const BATCH_GRANULES: usize = (64 << 10) / GRANULE;

/// How many more batches a consumer gives back: a thread that only frees blocks of other heaps.
const CONSUMER_BATCHES: usize = 16;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Coalesces all cached blocks, and makes one free chunk of each arena in which nothing is allocated.
    ///
    /// Afterwards, blocks of any size can be allocated from the memory of the cached blocks, unless they lie in a
    /// [slab](crate::Slab) with a block in use. A heap flushes by itself before a request fails. Takes time in proportion to
    /// the cached blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u64; 5]>();
    /// // SAFETY: The memory is the heap's until neither is used any more, and the block is freed once, with its layout.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(layout)?;
    ///     heap.free(block, layout);
    /// }
    /// assert!(heap.inspect().cached_bytes() >= 40);
    /// heap.flush();
    /// assert_eq!(heap.inspect().cached_bytes(), 0);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn flush(&mut self) {
        self.coalesce();
        self.settle();
    }

    /// [`flush`](Self::flush). Returns whether there was anything to do.
    pub(super) fn coalesce(&mut self) -> bool {
        let cached = self.drain() || self.quick.cached() > 0;
        if cached {
            for len in C::Quick::sizes() {
                self.flush_list(len, usize::MAX);
            }
        }
        if C::ENCODED && self.quick.cached() > 0 {
            self.close();
        }
        debug_assert_eq!(self.quick.cached(), 0, "I9: the lists count what they hold");
        let has_released = self.release_empty_slabs();
        self.tidy() || has_released || cached
    }

    /// Handles an overflow of the quick lists, after a block of `len` granules was freed. If it is a pulse, the source
    /// may take memory back. Otherwise, the lists [make room](Self::make_room).
    #[cold]
    #[inline(never)]
    pub(crate) fn overflow(&mut self, len: usize) {
        if self.quick.is_pulse() {
            self.tend_now();
        } else {
            self.make_room(len);
            self.tend();
        }
    }

    /// Coalesces a batch of blocks of `len` granules, and a batch of the list whose turn it is, unless the lists may
    /// hold more. The source is not called.
    #[cfg_attr(small, inline(never))]
    pub(super) fn make_room(&mut self, len: usize) {
        let has_strays = self.quick.first(len).is_some_and(|block| self.is_stray(block));
        if self.may_hold_more(has_strays) {
            return;
        }
        self.flush_batch(len);
        self.flush_next();
        if self.quick.is_consumer() {
            for _ in 0..CONSUMER_BATCHES {
                self.flush_next();
            }
        }
        self.lower_quick();
        if has_strays {
            self.quick.note_strays();
        } else {
            self.note_overflow();
        }
    }

    /// Coalesces a batch of blocks of the list whose turn it is. Returns the granules of the largest free chunk that a
    /// block became a part of, or 0 if the list was empty.
    pub(crate) fn flush_next(&mut self) -> usize {
        let len = self.quick.turn();
        if C::ENCODED && self.quick.cached() > 0 && self.quick.first(len).is_none() {
            // A head was overwritten, and the blocks of its list are lost.
            self.close();
        }
        self.flush_batch(len)
    }

    /// Coalesces a batch of blocks of `len` granules. Returns the same as [`flush_next`](Self::flush_next).
    fn flush_batch(&mut self, len: usize) -> usize {
        let is_large = len > BATCH_GRANULES / BATCH;
        self.flush_list(len, if is_large { BATCH_GRANULES / len + 1 } else { BATCH })
    }

    /// Coalesces up to `most` blocks of `len` granules, neighbours together. Blocks of other heaps are sent home.
    /// Returns the same as [`flush_next`](Self::flush_next).
    fn flush_list(&mut self, len: usize, most: usize) -> usize {
        let mut run: Option<Run> = None;
        let mut longest = 0;
        for _ in 0..most {
            let Some(block) = self.pop_sound(len) else { break };
            if self.is_stray(block) {
                // SAFETY: It was on a list, and nobody uses it.
                unsafe { self.quick.send(block, len) };
                continue;
            }
            // SAFETY: It was on a list, nobody uses it, and it is no stray.
            if let Some(free) = unsafe { self.free_to_slab(block, len) } {
                longest = longest.max(free);
                continue;
            }
            self.forget(block, len);
            if C::HARDENED {
                // The end of the next block is seen only while its neighbours have their marks, so there are no runs.
                longest = longest.max(self.release_run(Some(Run { start: block, len })));
                continue;
            }
            let longer = run.and_then(|run| run.with(block, len));
            run = match (run, longer.filter(|longer| self.is_one_arena(longer.start, block))) {
                (_, Some(longer)) => Some(longer),
                (done, None) => {
                    longest = longest.max(self.release_run(done));
                    Some(Run { start: block, len })
                }
            };
        }
        longest.max(self.release_run(run))
    }

    /// Gives a run of cached blocks back to its arena. Returns the granules of the coalesced chunk.
    pub(super) fn release_run(&mut self, run: Option<Run>) -> usize {
        // SAFETY: They were blocks on a list, which nobody uses, and lie in one arena.
        run.map_or(0, |run| unsafe { self.release(run.start, run.len) })
    }

    /// Whether neighbours belong to the same arena.
    #[inline(always)]
    pub(super) fn is_one_arena(&self, a: NonNull<u8>, b: NonNull<u8>) -> bool {
        self.arenas.is_single() || self.arenas.place_of(a) == self.arenas.place_of(b)
    }
}

/// Neighbouring blocks of one arena that are given back together.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) start: NonNull<u8>,
    pub(super) len: usize,
}

impl Run {
    /// Extends the run by a block of `len` granules, if the block lies next to it.
    #[inline(always)]
    pub(super) fn with(self, block: NonNull<u8>, len: usize) -> Option<Self> {
        let (start, addr) = (self.start.addr().get(), block.addr().get());
        if addr + len * GRANULE == start {
            Some(Self { start: block, len: self.len + len })
        } else if start + self.len * GRANULE == addr {
            Some(Self { start: self.start, len: self.len + len })
        } else {
            None
        }
    }
}
