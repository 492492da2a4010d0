//! One arena of a heap, to change.

use core::alloc::Layout;
use core::fmt;

use talloc_span::Span;

use super::Talloc;
use super::arenas::Place;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::ArenaError;
use crate::kind::Kind;
use crate::memory::Memory;
use crate::source::Source;

/// A mutable view of one arena of a heap, returned by [`Talloc::arena`].
///
/// # Examples
///
/// ```
/// use talloc_core::{Memory, Span, Talloc};
///
/// let mut memory = vec![0_u8; 20_000];
/// let whole = Span::from(memory.as_mut_slice());
/// let lower = whole.truncate(0, 10_000);
/// let mut heap = Talloc::new();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe {
///     heap.claim(lower)?;
///     heap.arena(lower)?.extend(whole, Memory::empty())?;
/// }
/// assert!(heap.arenas().eq([whole]));
/// // Nothing is allocated in it.
/// heap.arena(whole)?.release()?;
/// assert_eq!(heap.arenas().count(), 0);
/// # Ok::<(), talloc_core::ArenaError>(())
/// ```
pub struct ArenaMut<'h, C: Config, S> {
    heap: &'h mut Talloc<C, S>,
    /// The caller's span. Its pointer may be valid for more memory than the arena's own.
    span: Span,
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Returns a view of the arena with a span, by which the arena can be extended, truncated, merged or released. The
    /// span is one that [`arenas`](Self::arenas) returns. Takes constant time.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`] if the heap has no arena with this span.
    ///
    /// # Examples
    ///
    /// See [`ArenaMut`].
    #[inline]
    pub fn arena(&mut self, span: Span) -> Result<ArenaMut<'_, C, S>, ArenaError> {
        self.arenas.place_with(span)?;
        Ok(ArenaMut { heap: self, span })
    }
}

impl<C: Config, S: Source<C>> ArenaMut<'_, C, S> {
    /// Returns the memory of the arena, as it was given.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns the kind of the arena's memory: see [`ArenasMut::claim_of_kind`](super::ArenasMut::claim_of_kind).
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.place().map_or(Kind::DEFAULT, |place| self.heap.arenas.peek(place).kind)
    }

    /// Returns a span that the arena can be [truncated](Self::truncate) to: see [`Talloc::get_allocated_span`]. The span
    /// is empty if nothing is allocated.
    ///
    /// Flushes the quick lists. Takes constant time apart from that.
    pub fn allocated_span(&mut self) -> Span {
        self.heap.flush();
        let Ok(place) = self.place() else { return Span::empty() };
        // The own chunk of an arena that was raised becomes one of the chunks.
        self.heap.arenas.with_detached(place, Arena::least_span)
    }

    /// Returns how many bytes must be added at the arena's end to make sure that it has room for `layout`. Returns 0 if it
    /// has room already.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Memory, Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 100_000];
    /// let whole = Span::from(memory.as_mut_slice());
    /// let lower = whole.truncate(0, 90_000);
    /// let layout = Layout::new::<[u8; 20_000]>();
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is zero, and it is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.claim(lower).unwrap();
    ///     let mut arena = heap.arena(lower).unwrap();
    ///     let lacking = arena.lacking_for(layout);
    ///     assert!((1..=20_000).contains(&lacking));
    ///     // The bitmap needs room, too.
    ///     arena.raise(lacking + 4096, Memory::ZEROED).unwrap();
    ///     assert_eq!(arena.lacking_for(layout), 0);
    ///     assert!(heap.malloc(layout).is_ok());
    /// }
    /// ```
    #[must_use]
    pub fn lacking_for(&self, layout: Layout) -> usize {
        let (len, lead) = Arena::<C>::needed_for(layout);
        self.place().map_or(0, |place| self.heap.arenas.peek(place).lacking(len, lead))
    }

    /// Returns the part at the arena's end in which no block has lain since the memory was given to the heap or
    /// discarded. It may begin a little higher than that.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 100_000];
    /// let span = Span::from(memory.as_mut_slice());
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.claim(span).unwrap();
    ///     let block = heap.malloc(Layout::new::<[u8; 20_000]>())?;
    ///     let untouched = heap.arena(span).unwrap().untouched_span();
    ///     assert!(untouched.base().unwrap() >= block.addr().get() + 20_000);
    ///     assert_eq!(untouched.acme(), span.acme());
    /// }
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[must_use]
    pub fn untouched_span(&self) -> Span {
        self.place().map_or(Span::empty(), |place| self.heap.arenas.peek(place).untouched())
    }

    /// Extends the arena to `span`, at either end or both, as [`Talloc::extend`] extends the first arena.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NotExtended`] if `span` does not contain the arena, [`ArenaError::Overlap`] if it overlaps
    /// another arena, [`ArenaError::Null`] if it contains the null address, [`ArenaError::TooFar`] if it is larger than
    /// the links reach, and [`ArenaError::Broken`] if the heap was found broken. In each case, the arena is unchanged.
    ///
    /// # Safety
    ///
    /// The memory that `span` adds fulfils the conditions of [`Talloc::claim`], and the flags of `memory` are true of
    /// it. If the span has a pointer, it is valid for all of the span.
    pub unsafe fn extend(&mut self, span: Span, memory: Memory) -> Result<(), ArenaError> {
        // This may move control blocks, so it comes before they are looked for.
        self.heap.flush();
        let place = self.place()?;
        // SAFETY: The caller gives the heap what `span` adds, and `memory` describes it truly. The quick lists are
        // empty.
        unsafe { self.heap.extend_at(place, span, memory) }?;
        self.span = span;
        Ok(())
    }

    /// Reduces the arena to `span`, as [`Talloc::truncate`] reduces the first arena. The heap no longer accesses the
    /// memory outside of `span`.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NotTruncated`] if the arena does not contain `span`, and [`ArenaError::InUse`] if `span` does not
    /// contain everything that is allocated and a place for the bitmap. A further arena also returns
    /// [`ArenaError::TooSmall`] if `span` has no room for its control block. In each case, the arena is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe { heap.init(Span::from(&mut memory)) };
    /// let whole = heap.get_arena();
    /// let lower = whole.truncate(0, 4000);
    /// let mut arena = heap.arena(whole)?;
    /// arena.truncate(lower)?;
    /// assert_eq!(arena.span(), lower);
    /// # Ok::<(), talloc_core::ArenaError>(())
    /// ```
    pub fn truncate(&mut self, span: Span) -> Result<(), ArenaError> {
        self.heap.flush();
        let place = self.place()?;
        self.heap.truncate_at(place, span)?;
        self.span = span;
        Ok(())
    }

    /// Extends the arena by `size` bytes that follow it.
    ///
    /// It is for sources whose memory grows at its end. Unlike [`extend`](Self::extend), it does not flush the quick
    /// lists, and it takes less code. Each call copies the bitmap to the end of the new memory, where it does not
    /// separate free chunks. The bitmap takes a 64th of the arena's bytes that have been in use.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Overlap`], [`ArenaError::Null`], [`ArenaError::TooFar`] and [`ArenaError::Broken`] as for
    /// [`extend`](Self::extend), and [`ArenaError::TooSmall`] if there is no room for the larger bitmap. In each case,
    /// the arena is unchanged.
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend).
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Memory, Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 20_000];
    /// let whole = Span::from(memory.as_mut_slice());
    /// let lower = whole.truncate(0, 10_000);
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more, and it is zero.
    /// unsafe {
    ///     heap.claim(lower)?;
    ///     heap.arena(lower)?.raise(10_000, Memory::ZEROED)?;
    /// }
    /// assert_eq!(heap.get_arena(), whole);
    /// # Ok::<(), talloc_core::ArenaError>(())
    /// ```
    pub unsafe fn raise(&mut self, size: usize, memory: Memory) -> Result<(), ArenaError> {
        let place = self.place()?;
        if self.heap.is_closed() {
            return Err(ArenaError::Broken);
        }
        let new = self.span.try_extend(0, size).ok_or(ArenaError::Null)?;
        if !C::SINGLE_ARENA && self.heap.arenas.overlaps(new, Some(place)) {
            return Err(ArenaError::Overlap);
        }
        // SAFETY: The arena's memory and what the caller adds to it.
        let raise = |arena: &mut Arena<C>| unsafe { arena.raise(new, memory) };
        let result = self.heap.arenas.with_detached(place, raise);
        self.heap.arenas.begin_with(None);
        self.heap.limit_quick();
        if result.is_ok() {
            self.span = new;
        }
        result
    }

    /// Raises the end of an arena that was claimed by [`ArenasMut::claim_part`](super::ArenasMut::claim_part) by `more`
    /// bytes, in whole granules of 8, within `range`.
    ///
    /// Takes constant time, apart from `commit`.
    ///
    /// # Errors
    ///
    /// [`ArenaError::TooFar`] if the range ends below the new end, or the arena was not claimed for so large a range,
    /// [`ArenaError::NoMemory`] if `commit` fails, and [`ArenaError::Broken`] if the heap was found broken. In each case,
    /// the arena is unchanged.
    ///
    /// # Safety
    ///
    /// As for [`ArenasMut::claim_part`](super::ArenasMut::claim_part).
    pub unsafe fn raise_part(
        &mut self,
        range: Span,
        more: usize,
        commit: impl FnMut(Span) -> bool,
    ) -> Result<(), ArenaError> {
        let place = self.place()?;
        if self.heap.is_closed() {
            return Err(ArenaError::Broken);
        }
        let raised = self.span.try_extend(0, more);
        if !raised.is_some_and(|raised| range.contains_span(raised)) {
            return Err(ArenaError::TooFar);
        }
        let parts = self.heap.arenas.peek(place).parts_above(more)?;
        if !parts.into_iter().all(commit) {
            return Err(ArenaError::NoMemory);
        }
        self.span = self.heap.arenas.with_raised(place, |arena| {
            // SAFETY: The caller gives the range, and both parts are memory now.
            unsafe { arena.raise_within(more) };
            arena.span()
        });
        self.heap.limit_quick();
        Ok(())
    }

    /// Merges this arena with the one above it, whose span begins where this one ends. Free memory on both sides of the
    /// boundary coalesces.
    ///
    /// Flushes the quick lists. Takes time in proportion to the free chunks of the upper arena, and to a 512th of the
    /// bytes of both.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`] if `upper` is not the span of an arena, [`ArenaError::NotAdjacent`] if it does not
    /// begin where this arena ends, [`ArenaError::OtherKind`] if the arenas are of different [kinds](Kind),
    /// [`ArenaError::TooFar`] if both together are larger than the links reach, [`ArenaError::InUse`] if there is no room
    /// for a common bitmap, and [`ArenaError::Broken`] if the heap was found broken. In each case, both arenas are
    /// unchanged.
    ///
    /// # Safety
    ///
    /// The pointer of this arena's span is valid for both arenas. If the span has no pointer, that of the span by which
    /// the arena was claimed is.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 20_000];
    /// let whole = Span::from(memory.as_mut_slice());
    /// let (lower, upper) = whole.split_at(whole.base().unwrap() + 10_000);
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more, and is one piece.
    /// unsafe {
    ///     heap.claim(upper)?;
    ///     heap.claim(lower)?;
    ///     heap.arena(lower)?.merge(upper)?;
    /// }
    /// assert!(heap.arenas().eq([whole]));
    /// # Ok::<(), talloc_core::ArenaError>(())
    /// ```
    pub unsafe fn merge(&mut self, upper: Span) -> Result<(), ArenaError> {
        // This may move control blocks, so it comes before they are looked for.
        self.heap.flush();
        let (low, high) = (self.place()?, self.heap.arenas.place_with(upper)?);
        if self.span.acme() != upper.base() {
            return Err(ArenaError::NotAdjacent);
        }
        if self.heap.arenas.peek(low).kind != self.heap.arenas.peek(high).kind {
            return Err(ArenaError::OtherKind);
        }
        let span = self.span.fit_over(upper);
        // SAFETY: The memory of both arenas is one piece, by the contract of this function.
        unsafe { self.heap.merge_at(low, high, span) }?;
        self.span = span;
        Ok(())
    }

    /// Removes the arena from the heap, which does not access its memory any more. Flushes the quick lists.
    ///
    /// # Errors
    ///
    /// [`ArenaError::InUse`] if anything is allocated in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{ArenaError, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let memory = Span::from(&mut memory);
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u64; 5]>();
    /// // SAFETY: The memory is the heap's until neither is used any more, and the block is freed once, with its layout.
    /// unsafe {
    ///     heap.init(memory);
    ///     let block = heap.malloc(layout).unwrap();
    ///     assert_eq!(heap.arena(memory)?.release(), Err(ArenaError::InUse));
    ///     heap.free(block, layout);
    /// }
    /// heap.arena(memory)?.release()?;
    /// assert!(heap.get_arena().is_empty());
    /// # Ok::<(), ArenaError>(())
    /// ```
    pub fn release(self) -> Result<(), ArenaError> {
        self.heap.flush();
        let place = self.place()?;
        if self.heap.arenas.peek(place).allocated().is_some() {
            return Err(ArenaError::InUse);
        }
        self.heap.lose(self.span);
        self.heap.arenas.detach(place);
        self.heap.arenas.begin_with(None);
        self.heap.limit_quick();
        Ok(())
    }

    fn place(&self) -> Result<Place<C>, ArenaError> {
        self.heap.arenas.place_with(self.span)
    }
}

impl<C: Config, S> fmt::Debug for ArenaMut<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArenaMut").field("span", &self.span).finish_non_exhaustive()
    }
}
