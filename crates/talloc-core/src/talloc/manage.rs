//! Giving memory to the heap and taking it back.

use talloc_span::Span;

use super::Talloc;
use super::arenas::Place;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::ArenaError;
use crate::kind::Kind;
use crate::memory::Memory;
use crate::source::Source;

/// Any number of arenas.
impl<C: Config, S> Talloc<C, S> {
    /// The memory of all arenas, as it was given, in the order in which they are tried: that of claiming, but
    /// for what [`merge_arenas`](Self::merge_arenas) changes.
    pub fn arenas(&self) -> impl Iterator<Item = Span> + '_ {
        self.arenas
            .places()
            .map(|place| self.arenas.peek(place).span())
            .filter(|span| span.is_sized())
    }
}

/// Changing them.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Gives the heap a further arena, or its first one if it has none.
    ///
    /// Only a few words of it are touched. A further arena's control block lies at its start and
    /// takes as many bytes as the heap itself, less the quick lists.
    ///
    /// Requests are met from the arenas in the order in which they were claimed, so that fast memory that is
    /// claimed first is used first; see [`malloc`](Self::malloc).
    ///
    /// A span that is larger than the links reach, see [`Index`](crate::Index), becomes several
    /// arenas, each of them but the last as large as can be. What is left in the end is not used if it is too
    /// small for an arena.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Overlap`], [`ArenaError::Null`], and, for a further arena,
    /// [`ArenaError::TooSmall`]. In a heap with [a single arena](Config::SINGLE_ARENA),
    /// [`ArenaError::SecondArena`], and [`ArenaError::TooFar`] if the links do not reach as far.
    ///
    /// # Safety
    ///
    /// As for [`init`](Self::init), but nothing is forgotten.
    pub unsafe fn claim(&mut self, arena: Span) -> Result<(), ArenaError> {
        // SAFETY: The caller gives the heap the memory. `Memory::empty()` claims nothing of it.
        unsafe { self.claim_as(arena, Memory::empty()) }
    }

    /// [`claim`](Self::claim), of memory of which something is known.
    ///
    /// # Errors
    ///
    /// As for [`claim`](Self::claim).
    ///
    /// # Safety
    ///
    /// As for [`claim`](Self::claim), and `memory` holds.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Memory, Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 1 << 20];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more, and it is zero.
    /// let block = unsafe {
    ///     heap.claim_as(Span::from(memory.as_mut_slice()), Memory::ZEROED).unwrap();
    ///     // Costs no more than `malloc`.
    ///     heap.malloc_zeroed(Layout::new::<[u8; 1 << 19]>())?
    /// };
    /// // SAFETY: The block has as many bytes.
    /// assert_eq!(unsafe { block.cast::<[u8; 1 << 19]>().as_ref() }, &[0; 1 << 19]);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub unsafe fn claim_as(&mut self, arena: Span, memory: Memory) -> Result<(), ArenaError> {
        // SAFETY: The caller keeps to the same conditions.
        unsafe { self.claim_pieces(Kind::DEFAULT, arena, memory) }
    }

    /// Makes one arena of a span, or several if it is larger than links reach.
    ///
    /// # Safety
    ///
    /// As for [`claim_as`](Self::claim_as).
    #[cfg_attr(not(small), inline(always))]
    pub(super) unsafe fn claim_pieces(
        &mut self,
        kind: Kind,
        arena: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        if C::SINGLE_ARENA && self.arenas.first.span().is_sized() {
            return Err(ArenaError::SecondArena);
        }
        if C::SINGLE_ARENA {
            // SAFETY: The caller gives the heap the memory.
            return unsafe { self.claim_one(kind, arena, memory) };
        }
        if self.arenas.overlaps(arena, None) {
            return Err(ArenaError::Overlap);
        }
        let (piece, mut rest) = Arena::<C>::split_at_reach(arena);
        // SAFETY: The caller gives the heap the memory, of which each piece is claimed once.
        unsafe { self.claim_one(kind, piece, memory) }?;
        while rest.is_sized() {
            let (piece, above) = Arena::<C>::split_at_reach(rest);
            // What is too small for an arena is of no use.
            // SAFETY: As above.
            let _ = unsafe { self.claim_one(kind, piece, memory) };
            rest = above;
        }
        Ok(())
    }

    /// Makes one arena of a span that overlaps no other.
    ///
    /// # Safety
    ///
    /// As for [`claim_as`](Self::claim_as).
    unsafe fn claim_one(
        &mut self,
        kind: Kind,
        arena: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        // SAFETY: The caller gives the heap the memory, of which `memory` holds. It overlaps no other arena.
        let mut arena = unsafe { Arena::claim_any(arena, self.arenas.next_control(), memory) }?;
        arena.kind = kind;
        self.add_arena(arena);
        Ok(())
    }

    /// Extends the arena of the span `old` to `new`, as [`extend`](Self::extend) does the first.
    ///
    /// # Errors
    ///
    /// As for [`try_extend`](Self::try_extend), and [`ArenaError::NoSuchArena`].
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend).
    pub unsafe fn extend_arena(&mut self, old: Span, new: Span) -> Result<(), ArenaError> {
        // SAFETY: The caller gives the heap what `new` adds. `Memory::empty()` claims nothing of it.
        unsafe { self.extend_arena_as(old, new, Memory::empty()) }
    }

    /// [`extend_arena`](Self::extend_arena), by memory of which something is known.
    ///
    /// # Errors
    ///
    /// As for [`extend_arena`](Self::extend_arena).
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend), and `memory` holds of what is added.
    pub unsafe fn extend_arena_as(
        &mut self,
        old: Span,
        new: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        // This may move control blocks, so it comes before they are looked for.
        self.flush();
        let place = self.arenas.place_with(old)?;
        // SAFETY: The caller gives the heap what `new` adds, of which `memory` holds. The quick lists are empty.
        unsafe { self.extend_at(place, new, memory) }
    }

    /// Reduces the arena of the span `old` to `new`, as [`truncate`](Self::truncate) does the
    /// first.
    ///
    /// # Errors
    ///
    /// As for [`try_truncate`](Self::try_truncate), [`ArenaError::NoSuchArena`], and, for another
    /// arena than the first, [`ArenaError::TooSmall`].
    pub fn truncate_arena(&mut self, old: Span, new: Span) -> Result<(), ArenaError> {
        self.flush();
        let place = self.arenas.place_with(old)?;
        self.truncate_at(place, new)
    }

    /// A span that the arena of the span `arena` can be truncated to, as
    /// [`get_allocated_span`](Self::get_allocated_span) tells for the first.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`].
    pub fn allocated_span_of(&mut self, arena: Span) -> Result<Span, ArenaError> {
        self.flush();
        let place = self.arenas.place_with(arena)?;
        // The own chunk of an arena that was raised becomes one of the chunks.
        Ok(self.arenas.with_detached(place, Arena::least_span))
    }

    /// Takes the arena of that span from the heap, which touches its memory no more.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`], and [`ArenaError::InUse`] if anything is allocated in it.
    pub fn release_arena(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.flush();
        let place = self.arenas.place_with(arena)?;
        if self.arenas.peek(place).allocated().is_some() {
            return Err(ArenaError::InUse);
        }
        self.arenas.detach(place);
        self.arenas.begin_with(None);
        self.limit_quick();
        Ok(())
    }

    /// Makes one arena of two that touch, so that free memory on either side of where they did
    /// coalesces.
    ///
    /// Takes time in proportion to the free chunks of the upper arena, and to a 512th of both.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`], [`ArenaError::NotAdjacent`], [`ArenaError::TooFar`] if the links
    /// of the lower arena do not reach as far, [`ArenaError::InUse`] if there is no room for a bitmap of
    /// both, and [`ArenaError::OtherKind`] if they are of different [kinds](Kind).
    ///
    /// # Safety
    ///
    /// The pointer of `lower`, or if it has none the one that the arena has, is good for both.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 20_000];
    /// let (lower, upper) = {
    ///     let whole = Span::from(memory.as_mut_slice());
    ///     whole.split_at(whole.base().unwrap() + 10_000)
    /// };
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more, and is one piece.
    /// unsafe {
    ///     heap.claim(upper).unwrap();
    ///     heap.claim(lower).unwrap();
    ///     heap.merge_arenas(lower, upper).unwrap();
    /// }
    /// assert!(heap.arenas().eq([Span::from(memory.as_mut_slice())]));
    /// ```
    pub unsafe fn merge_arenas(&mut self, lower: Span, upper: Span) -> Result<(), ArenaError> {
        self.flush();
        let (low, high) = (self.arenas.place_with(lower)?, self.arenas.place_with(upper)?);
        if lower.acme() != upper.base() {
            return Err(ArenaError::NotAdjacent);
        }
        if self.arenas.peek(low).kind != self.arenas.peek(high).kind {
            return Err(ArenaError::OtherKind);
        }
        let (one, other) = if self.arenas.peek(low).is_blank() { (high, low) } else { (low, high) };
        let mut gone = self.arenas.detach(other);
        let span = lower.fit_over(upper);
        // SAFETY: The memory of both arenas is one piece, by the contract of this function. The second one is gone
        // if this succeeds.
        let result = self.arenas.with_detached(one, |arena| unsafe {
            if gone.arena.is_blank() {
                arena.reshape(span, Memory::empty())
            } else {
                arena.absorb(&mut gone.arena, span)
            }
        });
        if result.is_err() {
            // The other arena has not changed, so that its place is what it was.
            self.arenas.attach(gone);
        }
        self.arenas.begin_with(None);
        self.limit_quick();
        result
    }

    /// Extends the arena at `place`.
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend); the quick lists are empty.
    pub(super) unsafe fn extend_at(
        &mut self,
        place: Place<C>,
        span: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        if !span.contains_span(self.arenas.peek(place).span()) {
            return Err(ArenaError::NotExtended);
        }
        if self.arenas.overlaps(span, Some(place)) {
            return Err(ArenaError::Overlap);
        }
        // SAFETY: The arena's memory and what the caller adds to it.
        unsafe { self.reshape(place, span, memory) }
    }

    /// Truncates the arena at `place`. The quick lists are empty.
    pub(super) fn truncate_at(&mut self, place: Place<C>, span: Span) -> Result<(), ArenaError> {
        if !self.arenas.peek(place).span().contains_span(span) {
            return Err(ArenaError::NotTruncated);
        }
        // SAFETY: It is part of the arena's memory.
        unsafe { self.reshape(place, span, Memory::empty()) }
    }

    /// Makes `span` the extent of the arena at `place`.
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend); the quick lists are empty.
    unsafe fn reshape(
        &mut self,
        place: Place<C>,
        span: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        // SAFETY: The caller gives the heap what `span` adds, of which `memory` holds, and the quick lists are
        // empty. If it fails, the arena has not changed.
        let result =
            self.arenas.with_detached(place, |arena| unsafe { arena.reshape(span, memory) });
        self.arenas.begin_with(None);
        self.limit_quick();
        result
    }

    /// Moves the own chunk of each arena in which nothing is allocated back to its start, so that
    /// the rest is one free chunk. Returns whether any was elsewhere.
    #[inline]
    pub(super) fn tidy(&mut self) -> bool {
        // The usual case, for a request that is refused soon: there is nothing to do.
        if self.arenas.is_single() && !self.arenas.first.is_untidy() {
            return false;
        }
        self.tidy_all()
    }

    /// [`tidy`](Self::tidy), of several arenas, or of one that needs it.
    #[cold]
    #[inline(never)]
    fn tidy_all(&mut self) -> bool {
        let mut moved = self.tidy_if_needed(None);
        while let Some(place) = self.arenas.untidy() {
            moved |= self.tidy_if_needed(Some(place));
        }
        moved
    }

    /// Moves the own chunk of the arena at `place` back to its start, if nothing is allocated there and it is
    /// elsewhere. Returns whether that is so.
    fn tidy_if_needed(&mut self, place: Place<C>) -> bool {
        self.arenas.with_detached(place, |arena| {
            let is_untidy = arena.is_untidy();
            if is_untidy {
                arena.tidy();
            }
            is_untidy
        })
    }
}
