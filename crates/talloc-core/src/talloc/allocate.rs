//! Allocating: from a quick list, from an arena, or after the source has given more memory.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_span::Align;

use super::{Backend, Talloc};
use crate::arena::Arena;
use crate::config::{Config, Level};
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::quick::Lists;
use crate::source::Source;

/// How often a source is asked for memory before an allocation fails.
pub const SOURCE_TRIES: usize = 1024;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates a block of `layout.size()` bytes, aligned to `layout.align()`.
    ///
    /// A cached block of the size is used first. Otherwise, the first arena with room serves the request, in the order
    /// in which the arenas were [claimed](Self::claim). An arena has room if the first chunk of a bin, or its top, is
    /// large enough: see [`Config::LAST_RESORT`].
    ///
    /// A size of zero is treated as one. A block takes its size rounded up to 8 bytes, and at least the size of the
    /// [smallest block](crate::Index). Takes constant time, or as long as the source takes if it is called.
    ///
    /// # Errors
    ///
    /// If no arena has the memory, and the source does not provide it. Apart from what the source did, nothing has
    /// changed. A block that is [larger than any arena](crate::Index) is refused at once: the source is not asked, and
    /// nothing is flushed.
    ///
    /// # Safety
    ///
    /// `malloc` has no preconditions. It is unsafe for symmetry with [`GlobalAlloc`](core::alloc::GlobalAlloc).
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::from_size_align(100, 64).unwrap();
    /// // SAFETY: The memory is the heap's until neither is used any more, and the block is freed once, with its layout.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(layout)?;
    ///     assert_eq!(block.addr().get() % 64, 0);
    ///     heap.free(block, layout);
    /// }
    /// // SAFETY: `malloc` has no preconditions.
    /// assert!(unsafe { heap.malloc(Layout::new::<[u8; 10_000]>()) }.is_err());
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub unsafe fn malloc(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if !C::HARDENED {
            return self.malloc_plainly(layout);
        }
        match self.malloc_sound(layout) {
            Some(block) => Ok(block),
            None => self.malloc_guarded(layout),
        }
    }

    /// [`malloc`](Self::malloc), of a hardened heap whose quick lists do not serve the request.
    #[inline(never)]
    #[track_caller]
    fn malloc_guarded(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let allocate = |heap: &mut Self| {
            // Memory that is known to be zero need not be cleared.
            if C::MEASURES.fresh == Some(0) {
                return heap.malloc_dirty_plainly(layout);
            }
            Ok((heap.malloc_plainly(layout)?, layout.size()))
        };
        // SAFETY: The block is allocated for as many bytes.
        unsafe { self.guarded(layout.size(), allocate) }.map(|(block, _)| block)
    }

    /// [`malloc`](Self::malloc), without the measures of a hardened heap.
    #[inline(always)]
    fn malloc_plainly(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let len = Arena::<C>::block_len(layout.size());
        if len < C::Quick::CLASSES && layout.align() <= GRANULE {
            if let Some(block) = self.pop(len) {
                return Ok(block);
            }
        }
        self.allocate_uncached(len, layout)
    }

    /// Allocates a block of zeros.
    ///
    /// Memory that is known to be zero need not be cleared: it was claimed as zero, by
    /// [`ArenasMut::claim_as`](super::ArenasMut::claim_as), and has not been in use before.
    ///
    /// # Errors
    ///
    /// As for [`malloc`](Self::malloc).
    ///
    /// # Safety
    ///
    /// As for [`malloc`](Self::malloc).
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0xff_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more, and the block has as many bytes.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc_zeroed(Layout::new::<[u8; 500]>())?;
    ///     assert_eq!(block.cast::<[u8; 500]>().as_ref(), &[0; 500]);
    /// }
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub unsafe fn malloc_zeroed(&mut self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `malloc_dirty` asks nothing of its caller.
        let (block, dirty) = unsafe { self.backend().malloc_dirty(layout) }?;
        // SAFETY: The block has no fewer bytes.
        unsafe { block.write_bytes(0, dirty) };
        Ok(block)
    }
}

impl<C: Config, S: Source<C>> Backend<'_, C, S> {
    /// Allocates a block. Returns it with the number of its first bytes that are not known to be zero.
    ///
    /// It is [`malloc_zeroed`](Talloc::malloc_zeroed) for a caller that clears the block later, for example after it
    /// has released a lock. See [`Talloc::backend`] for an example.
    ///
    /// # Errors
    ///
    /// As for [`Talloc::malloc`].
    ///
    /// # Safety
    ///
    /// As for [`Talloc::malloc`].
    pub unsafe fn malloc_dirty(
        &mut self,
        layout: Layout,
    ) -> Result<(NonNull<u8>, usize), AllocError> {
        // SAFETY: The block is allocated for as many bytes.
        unsafe { self.heap.guarded(layout.size(), |heap| heap.malloc_dirty_plainly(layout)) }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// [`Backend::malloc_dirty`], without the measures of a hardened heap.
    #[inline(always)]
    fn malloc_dirty_plainly(&mut self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        let len = Arena::<C>::block_len(layout.size());
        if len < C::Quick::EXACT {
            return Ok((self.malloc_plainly(layout)?, layout.size()));
        }
        if len < C::Quick::CLASSES && layout.align() <= GRANULE {
            if let Some(block) = self.pop(len) {
                return Ok((block, layout.size()));
            }
        }
        self.note_demand();
        self.tend();
        let align = Align::of_layout(layout);
        let attempt = |heap: &mut Self| {
            let (block, zero) = heap.allocate_knowing(len, align)?;
            Some((block, zero.saturating_sub(block.addr().get()).min(layout.size())))
        };
        match attempt(self) {
            Some(done) => Ok(done),
            None => self.acquire(layout, attempt),
        }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Allocates a block that no quick list has.
    #[cfg_attr(not(small), inline(never))]
    fn allocate_uncached(&mut self, len: usize, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.note_demand();
        self.tend();
        self.allocate_from_arenas(len, layout)
    }

    /// Allocates from the arenas.
    ///
    /// A request that the bins of the arena where requests begin can serve is served here. Other requests go to
    /// functions that are called last, so the usual path saves few registers.
    #[cfg_attr(not(small), inline(never))]
    fn allocate_from_arenas(
        &mut self,
        len: usize,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        if self.arenas.begins_late() {
            return self.allocate_late(len, layout);
        }
        self.allocate_from_recent(len, layout)
    }

    /// [`allocate_from_arenas`](Self::allocate_from_arenas), if requests do not begin with the first arena.
    #[cold]
    #[inline(never)]
    fn allocate_late(&mut self, len: usize, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        match self.allocate_earlier(len, Align::of_layout(layout)) {
            Some((block, _)) => Ok(block),
            None => self.allocate_from_recent(len, layout),
        }
    }

    /// [`allocate_from_arenas`](Self::allocate_from_arenas), from the arena where requests begin and those after it.
    #[cfg_attr(not(small), inline(always))]
    fn allocate_from_recent(
        &mut self,
        len: usize,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // Where code is to be small, one path serves both. It makes no random choices.
        let shares_path = cfg!(small) && len >= C::Quick::CLASSES && !C::MEASURES.shuffle;
        if layout.align() > GRANULE || shares_path {
            self.allocate_aligned(len, layout)
        } else if S::IS_AMPLE && len < C::Quick::EXACT {
            self.allocate_run(len, layout)
        } else if let Some(block) = self.allocate_from_bins(len) {
            Ok(block)
        } else {
            self.allocate_beyond_bins(len, layout)
        }
    }

    /// Allocates an aligned block.
    #[cfg_attr(not(small), inline(never))]
    fn allocate_aligned(&mut self, len: usize, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let align = Align::of_layout(layout);
        if let Some(block) = self.pop_aligned(len, align) {
            return Ok(block);
        }
        if let Some(block) = self.allocate_aligned_from_slab(len, align) {
            return Ok(block);
        }
        match self.allocate_surely(len, align) {
            Some(block) => Ok(block),
            None => self.allocate_last(len, layout),
        }
    }

    /// Allocates an aligned block from the arena where requests begin, if it surely has room.
    #[inline(always)]
    pub(super) fn allocate_surely(&mut self, len: usize, align: Align) -> Option<NonNull<u8>> {
        let arena = self.arenas.recent();
        let at = arena.allocate_aligned(len, align)?;
        let block = arena.hand_out(at, len);
        self.arenas.count_taken(len * GRANULE);
        Some(block)
    }

    /// Allocates a block that the bins of the arena where requests begin cannot serve.
    #[cfg_attr(not(small), inline(never))]
    fn allocate_beyond_bins(
        &mut self,
        len: usize,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let block = if len < C::Quick::CLASSES { self.refill(len) } else { self.take_top(len) };
        match block {
            Some(block) => Ok(block),
            None => self.allocate_last(len, layout),
        }
    }

    /// Allocates a block that neither the bins nor the top of the arena where requests begin can serve.
    #[cold]
    #[cfg_attr(not(small), inline(never))]
    pub(super) fn allocate_last(
        &mut self,
        len: usize,
        layout: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let align = Align::of_layout(layout);
        let found = self.arenas.recent().last_resort(len, align);
        if let Some(at) = found {
            let block = self.arenas.recent().hand_out(at, len);
            self.arenas.count_taken(len * GRANULE);
            return Ok(block);
        }
        if !self.arenas.is_single() {
            if let Some((block, _)) = self.allocate_elsewhere(len, align) {
                return Ok(block);
            }
        }
        self.acquire(layout, |heap| heap.allocate(len, align))
    }

    /// Retries a request that no arena could serve, and counts it if it fails.
    #[cold]
    #[inline(never)]
    fn acquire<T>(
        &mut self,
        layout: Layout,
        attempt: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<T, AllocError> {
        let done = self.attempt_again(layout, attempt);
        if done.is_err() {
            self.refused = self.refused.wrapping_add(1);
        }
        done
    }

    /// Retries a request that no arena could serve: once after the cached blocks are coalesced, and then each time the
    /// source has given memory.
    #[inline(always)]
    fn attempt_again<T>(
        &mut self,
        layout: Layout,
        mut attempt: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<T, AllocError> {
        if layout.size() > Self::MAX_BLOCK || self.is_broken() {
            return Err(AllocError);
        }
        if S::IS_AMPLE && !self.has_idle_blocks() && S::acquire(self, layout).is_ok() {
            if let Some(done) = attempt(self) {
                return Ok(done);
            }
        }
        for _ in 0..SOURCE_TRIES {
            if let Some(done) = self.coalesce_for(layout, &mut attempt) {
                return Ok(done);
            }
            S::acquire(self, layout)?;
            if let Some(done) = attempt(self) {
                return Ok(done);
            }
        }
        Err(AllocError)
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Takes a block from its quick list, if one of the first few is aligned.
    #[inline(always)]
    pub(super) fn pop_aligned(&mut self, len: usize, align: Align) -> Option<NonNull<u8>> {
        if C::ENCODED {
            // Only the first block is known to be one.
            let first = self.quick.first(len)?;
            if first.addr().get() & (align.get() - 1) != 0 {
                return None;
            }
            return self.pop(len);
        }
        let block = self.quick.pop_aligned(len, align.get() - 1)?;
        self.note_reuse(block);
        if C::HARDENED {
            self.expect_filled(block, len);
        }
        Some(block)
    }

    /// Takes a block from its quick list.
    #[inline(always)]
    fn pop(&mut self, len: usize) -> Option<NonNull<u8>> {
        let block = self.pop_sound(len)?;
        self.note_reuse(block);
        Some(block)
    }

    /// Marks a cached block as allocated, in a checked heap.
    #[inline(always)]
    pub(super) fn note_reuse(&mut self, block: NonNull<u8>) {
        if C::CHECKED {
            let arena = self.arenas.arena_of(block);
            arena.reuse(arena.granule(block));
        }
    }

    /// Coalesces the quick lists for a request that no arena had room for. Attempts the request each time that a large
    /// enough chunk has formed, and when the lists are empty.
    pub(super) fn coalesce_for<T>(
        &mut self,
        layout: Layout,
        mut attempt: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let enough = Arena::<C>::block_len(layout.size()) + layout.align() / GRANULE;
        let had_any = self.drain() || self.quick.cached() > 0;
        let mut done = None;
        while done.is_none() && self.quick.cached() > 0 {
            if self.flush_next() >= enough {
                done = attempt(self);
            }
        }
        // The limit was set while there was plenty. With it, the lists would fragment the memory again.
        self.limit_quick();
        if done.is_some() {
            return done;
        }
        // The last attempt also gets blocks of slabs, which have never been cached.
        let has_slabs = self.release_empty_slabs() || self.spare_bytes() > 0;
        if self.tidy() || has_slabs || had_any { attempt(self) } else { None }
    }

    /// Allocates from the first arena that has room.
    #[cfg_attr(not(small), inline(always))]
    pub(super) fn allocate(&mut self, len: usize, align: Align) -> Option<NonNull<u8>> {
        Some(self.allocate_knowing(len, align)?.0)
    }

    /// Allocates from the arenas. Returns the block, and the address from which on it is known to be zero.
    #[cfg_attr(not(small), inline(always))]
    pub(super) fn allocate_knowing(
        &mut self,
        len: usize,
        align: Align,
    ) -> Option<(NonNull<u8>, usize)> {
        if self.arenas.begins_late() {
            if let Some(found) = self.allocate_earlier(len, align) {
                return Some(found);
            }
        }
        let arena = self.arenas.recent();
        let zero = arena.zero_from();
        match arena.allocate(len, align) {
            Some(at) => {
                let block = arena.hand_out(at, len);
                self.arenas.count_taken(len * GRANULE);
                Some((block, zero))
            }
            None if self.arenas.is_single() => self.allocate_spare(len, align),
            None => {
                let elsewhere = self.allocate_elsewhere(len, align);
                elsewhere.or_else(|| self.allocate_spare(len, align))
            }
        }
    }

    /// Allocates a block from the top of the arena where requests begin.
    #[inline(always)]
    fn take_top(&mut self, len: usize) -> Option<NonNull<u8>> {
        let arena = self.arenas.recent();
        let run = arena.take_run(len, 1)?;
        let block = arena.hand_out(run.start, len);
        self.arenas.count_taken(len * GRANULE);
        Some(block)
    }

    /// Allocates a block from the bins of the arena where requests begin.
    #[inline(always)]
    pub(super) fn allocate_from_bins(&mut self, len: usize) -> Option<NonNull<u8>> {
        let from_end = self.chooses();
        let arena = self.arenas.recent();
        let at = arena.allocate_from_bins(len, from_end)?;
        let block = arena.hand_out(at, len);
        self.arenas.count_taken(len * GRANULE);
        Some(block)
    }
}
