//! Allocating and freeing many blocks of one size at a time, for caches in front of the heap.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_span::{Align, Span};

use super::coalesce::Run;
use super::{Backend, Inspect, Talloc};
use crate::arena::Arena;
use crate::batch::Batch;
use crate::config::{Config, Level};
use crate::error::AllocError;
use crate::granule::{GRANULE, min_linked};
use crate::misuse::Call;
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
    pub const MAX_BLOCK: usize = Arena::<C>::MAX_BLOCK.saturating_mul(GRANULE) - C::TAIL;
}

/// What a cache in front of the heap must know.
impl<C: Config, S> Inspect<'_, C, S> {
    /// Returns how many bytes a block has that is allocated with `size` bytes: `size`, rounded up to what a block
    /// takes, which is a multiple of 8. In a hardened heap with canaries, it is `size`.
    ///
    /// `size` is at most `isize::MAX`, as in a [`Layout`]. Takes constant time, and no heap.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Compact, Inspect, OomHandler};
    ///
    /// type Heap<'h> = Inspect<'h, Compact, OomHandler<Compact>>;
    /// assert_eq!((Heap::usable_size(37), Heap::usable_size(40)), (40, 40));
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn usable_size(size: usize) -> usize {
        if C::HAS_CANARIES { size } else { Arena::<C>::block_len(size) * GRANULE }
    }

    /// Returns the span in which blocks of the arena around `addr` may lie. Its pointer is valid for all of them. The
    /// span is empty if no arena contains the address.
    ///
    /// A cache can tell by it that further blocks are of the same arena, and restores the provenance of their pointers.
    /// The span is right until an arena changes. After an arena has been released, its memory can be claimed again through
    /// a pointer of other provenance: the old span's pointer must not be used for the new blocks. Takes constant time.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// let block = unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.malloc(Layout::new::<[u64; 5]>())?
    /// };
    /// let reach = heap.inspect().reach_of(block.addr().get());
    /// assert!(reach.contains(block.addr().get()) && heap.get_arena().contains_span(reach));
    /// assert!(heap.inspect().reach_of(8).is_empty());
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[must_use]
    pub fn reach_of(self, addr: usize) -> Span {
        let arena = self.heap.arenas.containing(addr).map(|place| self.heap.arenas.peek(place));
        arena.map_or(Span::empty(), Arena::allocatable)
    }

    /// Checks that each block of a batch is an allocated block of this heap, of `size` bytes.
    ///
    /// It is for the `verify` of a cache, which [`Talloc::verify`] knows nothing of. Takes time in proportion to the
    /// blocks.
    ///
    /// # Errors
    ///
    /// [`Violation::CachedBlock`] with the first block that is free, or not of this heap, and
    /// [`Violation::CachedCount`] if the list is longer or shorter than the batch says.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// let batch = unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.backend().malloc_batch(40, 10)
    /// };
    /// assert_eq!(heap.inspect().verify_batch(40, &batch), Ok(()));
    /// ```
    pub fn verify_batch(self, size: usize, batch: &Batch) -> Result<(), Violation> {
        let len = Arena::<C>::block_len(size);
        let mut count = 0;
        let mut next = batch.first();
        while let Some(block) = next.filter(|_| count <= batch.len()) {
            let addr = block.addr().get();
            let arena = self.heap.arenas.containing(addr).map(|place| self.heap.arenas.peek(place));
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

impl<C: Config, S: Source<C>> Backend<'_, C, S> {
    /// Allocates up to `most` blocks of `size` bytes. Returns fewer, or none, if there is no room for all. The source is
    /// not asked. A hardened heap returns none, because a batch has no room for canaries.
    ///
    /// Blocks from one free chunk lie in a row, the lowest one first in the list. Takes time in proportion to the
    /// blocks. See [`Backend`] for an example.
    ///
    /// # Safety
    ///
    /// While the batch exists, the heap's memory stays as [`Talloc::init`] asks. The batch reads and writes the blocks
    /// (the invariant of [`Batch`]), and does not borrow the heap.
    pub unsafe fn malloc_batch(&mut self, size: usize, most: usize) -> Batch {
        let mut batch = Batch::EMPTY;
        if size > isize::MAX as usize || C::HARDENED {
            return batch;
        }
        let most = most.min(u32::MAX as usize);
        let len = Arena::<C>::block_len(size);
        while batch.len() < most && self.heap.take_cached(len, &mut batch) {}
        if batch.len() < most {
            self.heap.fill_batch(len, most, &mut batch);
        }
        batch
    }

    /// Allocates a block without asking the source. Returns it with the number of its first bytes that are not known
    /// to be zero.
    ///
    /// A cache that gets an error can give its blocks back and try again before the source is asked. Takes constant
    /// time, and flushes the quick lists if nothing else helps.
    ///
    /// # Errors
    ///
    /// If no arena has the memory, even after the quick lists have been flushed.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{AllocError, Span, Talloc};
    ///
    /// fn is_never_called(_: &mut Talloc, _: Layout) -> Result<(), AllocError> {
    ///     unreachable!()
    /// }
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::with_oom_handler(is_never_called);
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe { heap.init(Span::from(&mut memory)) };
    /// assert!(heap.backend().malloc_from_arenas(Layout::new::<[u8; 5000]>()).is_ok());
    /// assert!(heap.backend().malloc_from_arenas(Layout::new::<[u8; 5000]>()).is_err());
    /// ```
    pub fn malloc_from_arenas(
        &mut self,
        layout: Layout,
    ) -> Result<(NonNull<u8>, usize), AllocError> {
        if layout.size() > Talloc::<C, S>::MAX_BLOCK {
            return Err(AllocError);
        }
        // SAFETY: The block is allocated for as many bytes.
        unsafe { self.heap.guarded(layout.size(), |heap| heap.take_from_arenas(layout)) }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// [`Backend::malloc_from_arenas`], without the measures of a hardened heap.
    #[inline(always)]
    fn take_from_arenas(&mut self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        let len = Arena::<C>::block_len(layout.size());
        let mut batch = Batch::EMPTY;
        if layout.align() <= GRANULE && self.take_cached(len, &mut batch) {
            return batch.pop().map(|block| (block, layout.size())).ok_or(AllocError);
        }
        self.note_demand();
        let align = Align::of_layout(layout);
        let attempt = |heap: &mut Talloc<C, S>| heap.allocate_knowing(len, align);
        let found = attempt(self).or_else(|| self.coalesce_for(layout, attempt));
        let (block, zero) = found.ok_or(AllocError)?;
        Ok((block, zero.saturating_sub(block.addr().get()).min(layout.size())))
    }
}

impl<C: Config, S: Source<C>> Backend<'_, C, S> {
    /// Frees blocks of `size` bytes: to their quick list, or, if that size has none, to the arenas. In the second case,
    /// neighbours in memory that are neighbours in the list are coalesced first.
    ///
    /// A [`Checked`](crate::Checked) heap frees the blocks that it knows, and reports the first one that it does not.
    ///
    /// Takes time in proportion to the blocks. See [`Backend`] for an example.
    ///
    /// # Safety
    ///
    /// All blocks of the batch are blocks of this heap, allocated or last reallocated with `size` bytes.
    pub unsafe fn free_batch(&mut self, size: usize, batch: Batch) {
        let len = Arena::<C>::block_len(size);
        self.heap.settle();
        if self.heap.is_closed() {
            return;
        }
        if len >= self.heap.quick.classes() && !C::CHECKED {
            // SAFETY: The caller gives up the blocks, which have `len` granules each.
            unsafe { self.heap.release_batch(len, batch) }
            self.heap.note_uncached(len);
            return;
        }
        let layout = Layout::from_size_align(size, 1).unwrap_or(Layout::new::<u8>());
        let mut unknown = None;
        let mut freeing = Freeing { heap: self.heap, len, left: batch, others: Batch::EMPTY };
        while let Some(block) = freeing.left.pop() {
            if C::CHECKED && !freeing.heap.recognizes(Call::Free, block, layout) {
                unknown.get_or_insert(block);
                continue;
            }
            // SAFETY: The caller gives up the blocks. Those that are listed have a list.
            unsafe {
                if C::HARDENED {
                    freeing.heap.retire(block, len);
                } else if len < freeing.heap.quick.classes() && freeing.heap.is_listed(block) {
                    freeing.heap.put_on_list(block, len);
                } else {
                    freeing.others.push(block);
                }
            }
        }
        drop(freeing);
        self.heap.settle();
        if let Some(block) = unknown {
            self.heap.report(Call::Free, block, layout);
        }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Gives blocks of `len` granules back to the arenas.
    ///
    /// # Safety
    ///
    /// They are blocks of this heap of `len` granules each, which nobody uses.
    unsafe fn release_batch(&mut self, len: usize, mut batch: Batch) {
        let mut run: Option<Run> = None;
        while let Some(block) = batch.pop() {
            // SAFETY: It is a block of this heap that nobody uses.
            if unsafe { self.free_to_slab(block, len) }.is_some() {
                continue;
            }
            self.forget(block, len);
            let longer = run.and_then(|run| run.with(block, len));
            run = match longer.filter(|longer| self.is_one_arena(longer.start, block)) {
                Some(longer) => Some(longer),
                None => {
                    self.release_run(run);
                    Some(Run { start: block, len })
                }
            };
        }
        self.release_run(run);
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
        debug_assert!(batch.len() <= most, "there are no more blocks than asked for");
    }

    /// Adds a block from the quick list to a batch, if that has any.
    #[inline]
    fn take_cached(&mut self, len: usize, batch: &mut Batch) -> bool {
        let Some(block) = self.pop_sound(len) else { return false };
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
