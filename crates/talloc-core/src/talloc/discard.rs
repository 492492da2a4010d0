//! Giving memory back to its source.

use talloc_span::{Align, Span};

use super::arenas::Wanted;
use super::{ArenaMut, ArenasMut, Inspect, Talloc};
use crate::arena::{Cursor, Step};
use crate::config::Config;
use crate::memory::Memory;
use crate::quick::Lists;
use crate::source::{Source, TEND_INTERVAL};

/// Operations until the next [`tend`](Talloc::tend) of a source that has more to take back.
const SOON: u32 = 4;

/// Blocks that are freed to the quick lists before a source is called. Reading the clock takes a source as long as a
/// few such calls.
const PULSE: u32 = 1 << 8;

/// [`PULSE`] of a source that has more to take back.
const PULSE_SOON: u32 = 1 << 2;

/// Arenas that one step of purging visits. It bounds a step, however many arenas there are.
const MAX_ARENAS: usize = 32;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Flushes the quick lists, and lets the source take back all memory that the heap does not need: see
    /// [`Source::release`].
    ///
    /// A source takes memory back by itself after a while. Call this if the program knows that it will be idle. Takes
    /// time in proportion to the cached blocks, and the time that the source takes.
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
    /// heap.trim();
    /// // This heap has no source that takes memory back. Its cached blocks have become free chunks.
    /// assert_eq!((heap.inspect().cached_bytes(), heap.arenas().count()), (0, 1));
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[cold]
    #[inline(never)]
    pub fn trim(&mut self) {
        self.flush();
        S::release(self);
        self.limit_quick();
    }

    /// Counts an operation that the quick lists could not serve. Once in [`TEND_INTERVAL`] operations, the source may
    /// take memory back. The heap is consistent, and the operation is complete or has not begun.
    #[inline(always)]
    pub(crate) fn tend(&mut self) {
        if S::RECLAIMS {
            self.untended += 1;
            if self.untended >= TEND_INTERVAL {
                self.tend_now();
            }
        }
    }

    /// Lets the source take more memory back after a few more operations.
    pub(crate) fn tend_soon(&mut self) {
        self.untended = TEND_INTERVAL - SOON;
        self.quick.set_pulse(PULSE_SOON);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn tend_now(&mut self) {
        self.untended = 0;
        self.quick.set_pulse(PULSE);
        S::tend(self);
    }
}

impl<C: Config, S: Source<C>> ArenasMut<'_, C, S> {
    /// Calls `discard` with the pieces of free memory whose contents may be dropped. These are all pieces of `least`
    /// bytes or more, in multiples of `unit`, that may have been written to, in the arenas that are
    /// [`Memory::RECLAIMABLE`].
    ///
    /// The pieces stay the heap's. Returns how many bytes below the tops of these arenas remain, used and free ones.
    /// If the memory above all blocks of an arena is zero afterwards, [`Talloc::malloc_zeroed`] need not clear it.
    /// A piece may come again the next time though it has not been in use since. Takes time in proportion to the free
    /// chunks of that size.
    ///
    /// # Safety
    ///
    /// When `discard` returns, its piece can be read and written. If it returns [`Memory::ZEROED`], the piece is all
    /// zeros.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Align, Memory, Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 1 << 20];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u8; 1 << 19]>();
    /// let mut bytes = 0;
    /// // SAFETY: The memory is the heap's until neither is used any more, the block is freed once, and
    /// // nothing becomes of what is discarded.
    /// unsafe {
    ///     let memory = Span::from(memory.as_mut_slice());
    ///     heap.arenas_mut().claim_as(memory, Memory::ZEROED | Memory::RECLAIMABLE).unwrap();
    ///     let block = heap.malloc(layout)?;
    ///     heap.free(block, layout);
    ///     heap.arenas_mut().discard(Align::new(4096).unwrap(), 1 << 16, |piece| {
    ///         bytes += piece.size();
    ///         Memory::empty()
    ///     });
    /// }
    /// assert!(bytes > layout.size() - 2 * 4096);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub unsafe fn discard(
        &mut self,
        unit: Align,
        least: usize,
        mut discard: impl FnMut(Span) -> Memory,
    ) -> usize {
        let mut left = 0;
        let mut place = None;
        loop {
            let arena = self.heap.arenas.arena_at(place);
            if arena.is_reclaimable && !arena.is_blank() {
                // SAFETY: What `discard` leaves is what it says, by the contract of this function.
                left += unsafe { arena.discard(unit, least, &mut discard) };
                self.heap.arenas.heed(place);
            }
            place = match self.heap.arenas.after(place) {
                None => return left,
                next => next,
            };
        }
    }

    /// Takes an arena from the heap in which nothing is allocated, and returns its span. The arena is
    /// [`Memory::RECLAIMABLE`], and its span is not `but`. Returns `None` if there is no such arena.
    ///
    /// The span is not always one that was claimed: safe code can [truncate](ArenaMut::truncate) an arena, and arenas
    /// may have been extended or merged. A source that frees whole allocations must check that the span is one of them.
    ///
    /// [Flush](Talloc::flush) the quick lists first: a cached block counts as allocated. Takes time in proportion to
    /// the arenas. See [`ArenasMut`] for an example.
    pub fn reclaim_arena(&mut self, but: Span) -> Option<Span> {
        let span = self.heap.arenas.places().map(|place| self.heap.arenas.peek(place)).find_map(
            |arena| {
                let is_free = arena.is_reclaimable && arena.allocated().is_none();
                Some(arena.span()).filter(|span| is_free && *span != but)
            },
        )?;
        self.heap.arena(span).and_then(ArenaMut::release).ok().map(|()| span)
    }
}

impl<C: Config, S> Inspect<'_, C, S> {
    /// Returns how many bytes blocks have lain in since the memory was given to the heap, or discarded at the top of an
    /// arena. Takes a few steps per arena.
    #[must_use]
    pub fn touched_bytes(self) -> usize {
        self.heap.arenas.places().map(|place| self.heap.arenas.peek(place).touched()).sum()
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// Purges free memory of [`Memory::RECLAIMABLE`] arenas from the cursor on, until the step is spent. Returns
    /// whether the sweep is done.
    ///
    /// # Safety
    ///
    /// As for [`ArenasMut::discard`].
    pub(crate) unsafe fn purge(
        &mut self,
        cursor: &mut Cursor,
        step: &mut Step,
        purge: &mut impl FnMut(Span) -> Memory,
    ) -> bool {
        for _ in 0..MAX_ARENAS {
            let wanted = Wanted { from: cursor.number, grade: 0, kinds: u32::MAX };
            let Some(place) = self.arenas.first_with(&wanted) else { return true };
            let number = self.arenas.number_of(place);
            cursor.enter(number);
            let arena = self.arenas.arena_at(place);
            let is_purged = arena.is_reclaimable && !arena.is_blank();
            // SAFETY: What `purge` leaves is what it says, by the contract of this function.
            let is_done = !is_purged || unsafe { arena.purge(cursor, step, purge) };
            self.arenas.heed(place);
            if !is_done {
                return false;
            }
            cursor.pass(number);
        }
        false
    }
}
