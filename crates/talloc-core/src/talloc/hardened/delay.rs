//! Cached blocks of a hardened heap: those whose reuse is delayed, and those on quick lists.
//!
//! Both kinds are marked as cached. A block is used only if its marks say that it is one.

use core::ptr::NonNull;

use crate::checks::{Guard, State};
use crate::config::{Config, Level};
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;
use crate::talloc::Talloc;

/// The delayed blocks take at most this share of the bytes in use.
const DELAYED_SHARE: usize = 64;

/// The share of the arenas that they may take in any case.
const LEAST_SHARE: usize = 16;

/// A block of more than this share of the delay does not wait.
const LARGE_SHARE: usize = 8;

impl<C: Config, S> Talloc<C, S> {
    /// Bytes of the blocks whose reuse is delayed.
    #[inline(always)]
    pub(in crate::talloc) fn delayed_bytes(&self) -> usize {
        self.guard.get().map_or(0, |guard| guard.delayed.granules() * GRANULE)
    }

    /// The blocks whose reuse is delayed and their granules, in the order in which they were freed.
    ///
    /// If the queue is broken, the iterator ends early.
    pub(in crate::talloc) fn delayed_blocks(
        &self,
    ) -> impl Iterator<Item = (NonNull<u8>, usize)> + '_ {
        let guard = self.guard.get();
        let mut next = guard.and_then(|guard| guard.delayed.first());
        // The links of a broken queue may lead in a circle.
        let mut left = guard.map_or(0, |guard| guard.delayed.granules());
        core::iter::from_fn(move || {
            let (guard, block) = (guard?, next?);
            let len = self.len_of_cached(block)?;
            left = left.checked_sub(len)?;
            // SAFETY: The block is cached, so it has room for a link, which is only compared with marks.
            next = unsafe { guard.delayed.after(guard.key, block) };
            Some((block, len))
        })
    }

    /// The granules of a cached block, if there is one at an address.
    #[inline(always)]
    pub(in crate::talloc) fn len_of_cached(&self, block: NonNull<u8>) -> Option<usize> {
        let addr = block.addr().get();
        if self.arenas.is_single() {
            return self.arenas.first.len_of_cached(addr);
        }
        self.len_of_cached_among(addr)
    }

    /// [`len_of_cached`](Self::len_of_cached), in a heap of several arenas.
    #[inline(never)]
    fn len_of_cached_among(&self, addr: usize) -> Option<usize> {
        let place = self.arenas.containing(addr)?;
        self.arenas.peek(place).len_of_cached(addr)
    }
}

/// Allocating.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Takes the first block of a quick list, if there is one, and it is as it should be.
    #[inline(always)]
    pub(in crate::talloc) fn pop_sound(&mut self, len: usize) -> Option<NonNull<u8>> {
        if C::ENCODED {
            let head = self.quick.first(len)?;
            if self.len_of_cached(head) != Some(len) {
                self.close();
                return None;
            }
        }
        let block = self.quick.pop(len)?;
        if C::HARDENED {
            self.expect_filled(block, len);
        }
        Some(block)
    }
}

/// Freeing.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Frees a block: fills it, and delays its reuse.
    ///
    /// # Safety
    ///
    /// It is an allocated block of `len` granules, which the caller gives up.
    #[inline(always)]
    pub(in crate::talloc) unsafe fn retire(&mut self, ptr: NonNull<u8>, len: usize) {
        let arena = self.arenas.arena_of(ptr);
        let block = arena.block(ptr);
        let at = arena.granule(block);
        arena.set_aside(at);
        let is_sound = arena.expect_own_canary(at);
        self.expect_sound_below(block, len, is_sound);
        // SAFETY: Nobody uses the block, and the heap's own pointer is valid for all of it.
        unsafe { Self::fill(block, len) };
        let bytes = len * GRANULE;
        if bytes > C::MEASURES.delay / LARGE_SHARE {
            // SAFETY: It is a cached block in no list.
            return unsafe { self.let_go(block, len) };
        }
        let Some(guard) = self.guard.get_mut() else { return };
        if !guard.delayed.is_end_sound() {
            return self.close();
        }
        // SAFETY: Nobody uses the block.
        unsafe { guard.delayed.push(guard.key, block, len) };
        while self.delayed_bytes() > self.most_delayed() {
            let Some((block, len)) = self.take_oldest() else { break };
            if self.waits_again(block, len) {
                continue;
            }
            // SAFETY: It is a cached block, and in no list any more.
            unsafe { self.let_go(block, len) };
        }
    }

    /// How many bytes may be delayed.
    #[inline(always)]
    fn most_delayed(&self) -> usize {
        let least = self.guard.get().map_or(0, |guard| guard.least_delayed);
        (self.arenas.used() / DELAYED_SHARE).max(least).min(C::MEASURES.delay)
    }

    /// Sets how many bytes may be delayed in any case, by the heap's memory.
    pub(in crate::talloc) fn limit_delay(&mut self) {
        let least = (self.arenas.size() / LEAST_SHARE).min(C::MEASURES.least_delay);
        if let Some(guard) = self.guard.get_mut() {
            guard.least_delayed = least;
        }
    }

    /// Takes the block that has waited longest from the queue.
    #[inline(always)]
    fn take_oldest(&mut self) -> Option<(NonNull<u8>, usize)> {
        // Nothing more is coalesced.
        if self.is_broken() {
            return None;
        }
        let block = self.guard.get()?.delayed.first()?;
        let Some(len) = self.len_of_cached(block) else {
            self.close();
            return None;
        };
        let guard = self.guard.get_mut()?;
        // SAFETY: It is the first block, which has `len` granules.
        unsafe { guard.delayed.pop(guard.key, len) };
        Some((block, len))
    }

    /// A random choice. Without [`Measures::shuffle`](crate::Measures::shuffle), it is always false.
    #[inline(always)]
    pub(in crate::talloc) fn chooses(&mut self) -> bool {
        C::MEASURES.shuffle && self.guard.get_mut().is_some_and(Guard::flip)
    }

    /// Puts a block that was taken from the queue back to its end, at random, if others wait, too. So the order of reuse
    /// cannot be foreseen.
    #[inline(always)]
    fn waits_again(&mut self, block: NonNull<u8>, len: usize) -> bool {
        let waits = self.chooses();
        let Some(guard) = self.guard.get_mut() else { return false };
        let waits = waits && guard.delayed.first().is_some();
        if waits {
            // SAFETY: Nobody uses the block.
            unsafe { guard.delayed.push(guard.key, block, len) };
        }
        waits
    }

    /// Frees a block that has waited: to its quick list, or to the arena.
    ///
    /// # Safety
    ///
    /// It is a cached block of `len` granules in no list.
    #[inline(always)]
    unsafe fn let_go(&mut self, block: NonNull<u8>, len: usize) {
        if len < self.quick.classes() && self.is_listed(block) {
            // SAFETY: It has a list, is in no list, and is marked as cached.
            let mut overflows = unsafe { self.quick.push(block, len) };
            if self.chooses() {
                overflows = self.swap_first(len);
            }
            if overflows {
                self.overflow(len);
            }
        } else {
            // SAFETY: It is a cached block in no list.
            unsafe { self.let_go_unlisted(block, len) };
        }
    }

    /// Makes the first block of a list the second one, if there is a second one that is sound. Returns whether the lists
    /// hold too much.
    fn swap_first(&mut self, len: usize) -> bool {
        let two = [self.pop_sound(len), self.pop_sound(len)];
        if self.is_closed() {
            return false;
        }
        two.into_iter().flatten().fold(false, |_, block| {
            // SAFETY: It has a list, was just taken from it, and is marked as cached.
            unsafe { self.quick.push(block, len) }
        })
    }

    /// [`let_go`](Self::let_go), of a block whose size has no list, or is not cached while memory is short.
    ///
    /// # Safety
    ///
    /// As for [`let_go`](Self::let_go).
    #[inline(never)]
    unsafe fn let_go_unlisted(&mut self, block: NonNull<u8>, len: usize) {
        // SAFETY: It is a cached block in no list.
        unsafe { self.coalesce_block(block, len) };
        self.note_uncached(len);
        self.tend();
    }

    /// Coalesces a block that has waited.
    ///
    /// # Safety
    ///
    /// As for [`let_go`](Self::let_go).
    #[inline(always)]
    unsafe fn coalesce_block(&mut self, block: NonNull<u8>, len: usize) {
        self.expect_filled(block, len);
        self.forget(block, len);
        // SAFETY: It is a block of this heap, of `len` granules that nobody uses.
        unsafe { self.release(block, len) };
    }

    /// Coalesces all blocks that wait. Returns whether there were any.
    pub(in crate::talloc) fn drain(&mut self) -> bool {
        let had_any = self.delayed_bytes() > 0;
        while let Some((block, len)) = self.take_oldest() {
            // SAFETY: It is a cached block, and in no list any more.
            unsafe { self.coalesce_block(block, len) };
        }
        had_any
    }
}
