//! Adding, changing and merging arenas.

use talloc_span::Span;

use super::arenas::Place;
use super::{ArenasMut, Talloc};
use crate::arena::Arena;
use crate::config::Config;
use crate::error::ArenaError;
use crate::kind::Kind;
use crate::memory::Memory;
use crate::source::Source;

/// Any number of arenas.
impl<C: Config, S> Talloc<C, S> {
    /// Returns the memory of all arenas, as it was given, in the order in which requests try them. That is the order of
    /// claiming, unless arenas were [merged](super::ArenaMut::merge).
    pub fn arenas(&self) -> impl Iterator<Item = Span> + '_ {
        self.arenas
            .places()
            .map(|place| self.arenas.peek(place).span())
            .filter(|span| span.is_sized())
    }
}

/// Changing them.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Gives the heap an arena: its first one, or a further one.
    ///
    /// Writes only a few words of the memory. A further arena has a control block at its start, which takes as many
    /// bytes as the heap without its quick lists.
    ///
    /// Requests try the arenas in the order in which they were claimed, so claim fast memory first: see
    /// [`malloc`](Self::malloc).
    ///
    /// A span that is [larger than the links reach](crate::Index) becomes several arenas. All of them except the last
    /// are as large as possible. If the rest is too small for an arena, it is not used.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Overlap`], [`ArenaError::Null`], and, for a further arena,
    /// [`ArenaError::TooSmall`]. In a heap with [a single arena](Config::SINGLE_ARENA),
    /// [`ArenaError::SecondArena`], and [`ArenaError::TooFar`] if the links do not reach as far.
    ///
    /// # Safety
    ///
    /// * The memory of the span can be read and written, through its pointer if it has one, until the heap has given it
    ///   back or is not used any more. Until then, only the heap and the owners of its blocks use the memory.
    /// * If the memory was part of this heap before, and the new pointer has another provenance, no cache in front of the
    ///   heap still has a pointer from [`Inspect::reach_of`](super::Inspect::reach_of) to it.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{ArenaError, Span, Talloc};
    ///
    /// let (mut fast, mut large) = ([0_u8; 4096], vec![0_u8; 65_536]);
    /// let (fast, large) = (Span::from(&mut fast), Span::from(large.as_mut_slice()));
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.claim(fast)?;
    ///     heap.claim(large)?;
    ///     assert_eq!(heap.claim(large), Err(ArenaError::Overlap));
    /// }
    /// assert!(heap.arenas().eq([fast, large]));
    /// # Ok::<(), ArenaError>(())
    /// ```
    pub unsafe fn claim(&mut self, arena: Span) -> Result<(), ArenaError> {
        // SAFETY: The caller gives the heap the memory. `Memory::empty()` claims nothing of it.
        unsafe { self.arenas_mut().claim_as(arena, Memory::empty()) }
    }
}

impl<C: Config, S: Source<C>> ArenasMut<'_, C, S> {
    /// [`Talloc::claim`], of memory of which something is known.
    ///
    /// # Errors
    ///
    /// As for [`Talloc::claim`].
    ///
    /// # Safety
    ///
    /// As for [`Talloc::claim`], and the flags of `memory` are true.
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
    ///     heap.arenas_mut().claim_as(Span::from(memory.as_mut_slice()), Memory::ZEROED).unwrap();
    ///     // Costs no more than `malloc`.
    ///     heap.malloc_zeroed(Layout::new::<[u8; 1 << 19]>())?
    /// };
    /// // SAFETY: The block has as many bytes.
    /// assert_eq!(unsafe { block.cast::<[u8; 1 << 19]>().as_ref() }, &[0; 1 << 19]);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub unsafe fn claim_as(&mut self, arena: Span, memory: Memory) -> Result<(), ArenaError> {
        // SAFETY: The caller keeps to the same conditions.
        unsafe { self.heap.claim_pieces(Kind::DEFAULT, arena, memory) }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Makes one arena of a span, or several if the span is larger than the links reach.
    ///
    /// # Safety
    ///
    /// As for [`ArenasMut::claim_as`].
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
        // SAFETY: The caller gives the heap the memory. Each piece is claimed once.
        unsafe { self.claim_one(kind, piece, memory) }?;
        while rest.is_sized() {
            let (piece, above) = Arena::<C>::split_at_reach(rest);
            // A rest that is too small for an arena is not used.
            // SAFETY: As above.
            let _ = unsafe { self.claim_one(kind, piece, memory) };
            rest = above;
        }
        Ok(())
    }

    /// Makes an arena of a span that overlaps no other arena.
    ///
    /// # Safety
    ///
    /// As for [`ArenasMut::claim_as`].
    unsafe fn claim_one(
        &mut self,
        kind: Kind,
        arena: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        // SAFETY: The caller gives the heap the memory, and `memory` describes it truly. It overlaps no other arena.
        let mut arena = unsafe { Arena::claim_any(arena, self.arenas.next_control(), memory) }?;
        arena.kind = kind;
        self.add_arena(arena);
        Ok(())
    }

    /// Merges the arena at `high` into the one at `low`, which lies below it. The quick lists are empty.
    ///
    /// # Safety
    ///
    /// `span` is the memory of both, which is one piece.
    pub(super) unsafe fn merge_at(
        &mut self,
        low: Place<C>,
        high: Place<C>,
        span: Span,
    ) -> Result<(), ArenaError> {
        if self.is_found_broken() {
            return Err(ArenaError::Broken);
        }
        let (one, other) = if self.arenas.peek(low).is_blank() { (high, low) } else { (low, high) };
        let mut gone = self.arenas.detach(other);
        // SAFETY: `span` is the memory of both arenas, by the contract of this function. The second one is gone if
        // this succeeds.
        let result = self.arenas.with_detached(one, |arena| unsafe {
            if gone.arena.is_blank() {
                arena.reshape(span, Memory::empty())
            } else {
                arena.absorb(&mut gone.arena, span)
            }
        });
        if result.is_err() {
            // The other arena has not changed, so its control block is where it was.
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
        if self.is_found_broken() {
            return Err(ArenaError::Broken);
        }
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
        if self.is_found_broken() {
            return Err(ArenaError::Broken);
        }
        let arena = self.arenas.peek(place).span();
        if !arena.contains_span(span) {
            return Err(ArenaError::NotTruncated);
        }
        // Safe code has made the span, and may have given it any pointer. The arena keeps its own.
        let span = match span.get_base_acme() {
            Some((base, acme)) => arena.above(base).below(acme),
            None => Span::empty(),
        };
        self.lose(arena);
        // SAFETY: It is part of the arena's memory, and its pointer is the arena's.
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
        // SAFETY: The caller gives the heap what `span` adds, and `memory` describes it truly. The quick lists are
        // empty. If it fails, the arena has not changed.
        let result =
            self.arenas.with_detached(place, |arena| unsafe { arena.reshape(span, memory) });
        self.arm();
        self.arenas.begin_with(None);
        self.limit_quick();
        result
    }

    /// Moves the own chunk of each [untidy](Arena::is_untidy) arena back to its start. The rest of the arena becomes
    /// one free chunk. Returns whether there was any such arena.
    #[inline]
    pub(super) fn tidy(&mut self) -> bool {
        // This is the usual case, in which a request will soon be refused.
        if self.arenas.is_single() && !self.arenas.first.is_untidy() {
            return false;
        }
        self.tidy_all()
    }

    /// [`tidy`](Self::tidy), of several arenas, or of a single untidy one.
    #[cold]
    #[inline(never)]
    fn tidy_all(&mut self) -> bool {
        let mut moved = self.tidy_if_needed(None);
        while let Some(place) = self.arenas.untidy() {
            moved |= self.tidy_if_needed(Some(place));
        }
        moved
    }

    /// Moves the own chunk of the arena at `place` back to its start, if the arena is untidy. Returns whether it was.
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
