//! Allocating and freeing many blocks of one size at a time, for caches in front of the heap.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_span::{Align, Span};

use super::Talloc;
use super::coalesce::Run;
use crate::arena::Arena;
use crate::batch::Batch;
use crate::config::Config;
use crate::error::AllocError;
use crate::granule::{GRANULE, min_linked};
use crate::quick::{self, Lists};
use crate::report::Violation;
use crate::source::Source;

/// What is known of blocks.
impl<C: Config, S> Talloc<C, S> {
    /// The bytes of the smallest block.
    pub const MIN_BLOCK: usize = min_linked::<C::Index>() * GRANULE;

    /// The bytes of the largest arena, as far as its links reach.
    pub const MAX_ARENA: usize = Arena::<C>::MAX_CLAIM.saturating_mul(GRANULE);

    /// The bytes of the largest block that an arena can hold, as far as its links reach: a larger one is
    /// refused whatever memory there is.
    pub const MAX_BLOCK: usize = Arena::<C>::MAX_BLOCK.saturating_mul(GRANULE);

    /// The bytes of a block of `size` bytes, which is at most `isize::MAX`: a multiple of 8.
    #[inline(always)]
    #[must_use]
    pub fn usable_size(size: usize) -> usize {
        Arena::<C>::block_len(size) * GRANULE
    }

    /// Where blocks of the arena may lie that contains `addr`, with a pointer that is good for all of
    /// them; an empty span if there is no such arena.
    pub fn reach_of(&self, addr: usize) -> Span {
        let arena = self.arenas.containing(addr).map(|place| self.arenas.peek(place));
        arena.map_or(Span::empty(), Arena::allocatable)
    }

    /// Checks that blocks of `size` bytes are used ones of this heap.
    ///
    /// # Errors
    ///
    /// [`Violation::CachedBlock`].
    pub fn verify_batch(&self, size: usize, batch: &Batch) -> Result<(), Violation> {
        let len = Arena::<C>::block_len(size);
        let mut count = 0;
        let mut next = batch.first();
        while let Some(block) = next.filter(|_| count <= batch.len()) {
            let addr = block.addr().get();
            let arena = self.arenas.containing(addr).map(|place| self.arenas.peek(place));
            if !arena.is_some_and(|arena| arena.is_in_use(addr, len)) {
                return Err(Violation::CachedBlock { addr });
            }
            count += 1;
            // SAFETY: It is memory of an arena that is not free, and so a block of the list.
            next = unsafe { quick::next(block) };
        }
        if count == batch.len() { Ok(()) } else { Err(Violation::CachedCount) }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates blocks of `size` bytes, at most `most` of them; fewer, or none, if there is no room
    /// for them. The source is not asked.
    ///
    /// What comes from one piece lies in a row, the lowest block first in the list. Takes time in
    /// proportion to the blocks.
    ///
    /// # Safety
    ///
    /// As long as there is the list, the memory that was given to the heap stays as
    /// [`init`](Self::init) asks: a [`Batch`] reads and writes the blocks, and does not borrow the heap.
    pub unsafe fn malloc_batch(&mut self, size: usize, most: usize) -> Batch {
        let mut batch = Batch::EMPTY;
        if size > isize::MAX as usize {
            return batch;
        }
        let most = most.min(u32::MAX as usize);
        let len = Arena::<C>::block_len(size);
        while batch.len() < most && self.take_cached(len, &mut batch) {}
        if batch.len() < most {
            self.fill_batch(len, most, &mut batch);
        }
        batch
    }

    /// Allocates a block without asking the source, and tells how many of its first bytes are not
    /// known to be zero.
    ///
    /// # Errors
    ///
    /// If no arena has the memory, after the quick lists have been flushed.
    pub fn malloc_from_arenas(
        &mut self,
        layout: Layout,
    ) -> Result<(NonNull<u8>, usize), AllocError> {
        if layout.size() > Self::MAX_BLOCK {
            return Err(AllocError);
        }
        let len = Arena::<C>::block_len(layout.size());
        let mut batch = Batch::EMPTY;
        if layout.align() <= GRANULE && self.take_cached(len, &mut batch) {
            return batch.pop().map(|block| (block, layout.size())).ok_or(AllocError);
        }
        self.note_demand();
        let align = Align::of_layout(layout);
        let attempt = |heap: &mut Self| heap.allocate_knowing(len, align);
        let found = attempt(self).or_else(|| self.coalesce_for(layout, attempt));
        let (block, zero) = found.ok_or(AllocError)?;
        Ok((block, zero.saturating_sub(block.addr().get()).min(layout.size())))
    }

    /// Frees blocks of `size` bytes: to their quick list, or to the arenas. Then those that lie next to
    /// each other in memory and in the list are coalesced before anything else is looked at.
    ///
    /// Takes time in proportion to the blocks.
    ///
    /// # Safety
    ///
    /// They are blocks of this heap, allocated or last reallocated with that size.
    pub unsafe fn free_batch(&mut self, size: usize, batch: Batch) {
        let len = Arena::<C>::block_len(size);
        if len >= self.quick.classes() {
            // SAFETY: The caller gives up the blocks, which have `len` granules each.
            unsafe { self.release_batch(len, batch) }
            self.note_uncached(len);
            return;
        }
        let mut freeing = Freeing { heap: self, len, left: batch, others: Batch::EMPTY };
        while let Some(block) = freeing.left.pop() {
            // SAFETY: The caller gives up the blocks. Those that are listed have a list.
            unsafe {
                if freeing.heap.is_listed(block) {
                    freeing.heap.put_on_list(block, len);
                } else {
                    freeing.others.push(block);
                }
            }
        }
    }

    /// Gives blocks of `len` granules back to the arenas.
    ///
    /// # Safety
    ///
    /// As for [`free_batch`](Self::free_batch).
    unsafe fn release_batch(&mut self, len: usize, mut batch: Batch) {
        let Some(first) = batch.pop() else { return };
        self.forget(first, len);
        let mut run = Run { start: first, len };
        while let Some(block) = batch.pop() {
            self.forget(block, len);
            run = match run.with(block, len).filter(|_| self.is_one_arena(run.start, block)) {
                Some(longer) => longer,
                None => {
                    // SAFETY: The run is used granules of one arena, which the caller gives up.
                    unsafe { self.release(run.start, run.len) };
                    Run { start: block, len }
                }
            };
        }
        // SAFETY: As above.
        unsafe { self.release(run.start, run.len) };
    }

    /// Adds blocks from the arenas to a batch until that has `most`, or fewer, if there is no room for
    /// them.
    fn fill_batch(&mut self, len: usize, most: usize, batch: &mut Batch) {
        self.note_demand();
        while batch.len() < most {
            if self.take_binned(len, batch) {
                continue;
            }
            let left = most - batch.len();
            if self.take_row(len, left, batch) < left {
                break;
            }
        }
        if batch.is_empty() {
            if let Some(block) = self.allocate(len, Align::MIN) {
                // SAFETY: It is a block of as many granules that nobody knows of.
                unsafe { batch.push(block) };
            }
        }
    }

    /// Adds a block from the quick list to a batch, if that has any.
    #[inline]
    fn take_cached(&mut self, len: usize, batch: &mut Batch) -> bool {
        let Some(block) = self.quick.pop(len) else { return false };
        self.note_reuse(block);
        // SAFETY: It is a block of as many granules that nobody uses.
        unsafe { batch.push(block) };
        true
    }

    /// Adds a block to a batch, if an arena before the one where requests begin has any, or the bins of that one.
    #[inline]
    fn take_binned(&mut self, len: usize, batch: &mut Batch) -> bool {
        let earlier = if self.arenas.begins_late() {
            self.allocate_earlier(len, Align::MIN).map(|(block, _)| block)
        } else {
            None
        };
        let Some(block) = earlier.or_else(|| self.allocate_from_bins(len)) else { return false };
        // SAFETY: It is a block of as many granules that nobody knows of.
        unsafe { batch.push(block) };
        true
    }

    /// Adds up to `most` blocks from the top of the arena where requests begin to a batch. Returns
    /// how many.
    #[inline]
    fn take_row(&mut self, len: usize, most: usize, batch: &mut Batch) -> usize {
        let arena = self.arenas.recent();
        let Some(row) = arena.take_run(len, most) else { return 0 };
        let count = row.len() / len;
        debug_assert!(
            0 < count && count <= most && row.len() == count * len,
            "a row is whole blocks"
        );
        for number in (0..count).rev() {
            let block = arena.hand_out(row.start + number * len, len);
            // SAFETY: It is a block of as many granules that nobody knows of.
            unsafe { batch.push(block) };
        }
        self.arenas.count_taken(row.len() * GRANULE);
        count
    }
}

/// Blocks of `len` granules that are being freed. Those that no list has taken go to the arenas in the end, also if
/// the source panics meanwhile.
struct Freeing<'h, C: Config, S: Source<C>> {
    heap: &'h mut Talloc<C, S>,
    len: usize,
    left: Batch,
    others: Batch,
}

impl<C: Config, S: Source<C>> Drop for Freeing<'_, C, S> {
    #[inline]
    fn drop(&mut self) {
        for batch in [self.left.take(), self.others.take()] {
            // SAFETY: `free_batch` has been given the blocks, which have `len` granules each.
            unsafe { self.heap.release_batch(self.len, batch) }
        }
    }
}
