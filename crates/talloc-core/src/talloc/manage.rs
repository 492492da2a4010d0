//! Giving memory to the heap and taking it back.
//!
//! The methods named as in v2 are about the first arena and panic where the others return an
//! [`ArenaError`].

use talloc_span::Span;

use super::Talloc;
use super::arenas::Place;
use crate::arena::{Arena, Control};
use crate::config::Config;
use crate::error::ArenaError;
use crate::granule::GRANULE;
use crate::memory::Memory;
use crate::quick::Lists;

/// The part of the arenas that the quick lists may hold is one in as many.
const QUICK_SHARE: usize = 16;

/// The first arena, as in v2.
impl<C: Config, S> Talloc<C, S> {
    /// The memory of the first arena, as it was given; empty if there is none.
    #[inline]
    pub fn get_arena(&self) -> Span {
        self.first.span()
    }

    /// The part of the first arena that allocations may lie in.
    ///
    /// That is all whole granules of 8 bytes, as far as the bitmap reaches; see
    /// [`extend`](Self::extend). Empty if the arena is too small for any allocation.
    pub fn get_allocatable_span(&self) -> Span {
        self.first.allocatable()
    }

    /// A span that the first arena can be [truncated](Self::truncate) to, as can all larger ones.
    ///
    /// It is what contains all that is allocated, and a place for the bitmap, which lies between
    /// allocations if there is room and next to them if not. Empty if nothing is allocated.
    ///
    /// Quick lists are flushed. Takes constant time apart from that.
    pub fn get_allocated_span(&mut self) -> Span {
        self.flush();
        self.first.least_span()
    }

    /// Makes `arena` the only memory of the heap, and forgets everything allocated before.
    ///
    /// Only a few words of it are touched. Spans of any base and size are accepted; from one that
    /// is too small, nothing can be allocated.
    ///
    /// # Panics
    ///
    /// If the span contains the null address or is too large for the links; see
    /// [`Index`](crate::Index). [`try_init`](Self::try_init) does not.
    ///
    /// # Safety
    ///
    /// The memory of the span can be read and written, through its pointer if it has one, until
    /// the heap has given it back or is not used any more; nobody else uses it meanwhile, but for
    /// what is allocated. What was allocated before is neither freed nor reallocated.
    ///
    /// From then on, as long as blocks are allocated, no other heap takes this one's place (as by
    /// `*tallock.0.lock() = ...`): their owners would free them to the wrong one.
    #[track_caller]
    pub unsafe fn init(&mut self, arena: Span) {
        // SAFETY: As the caller says.
        expect(unsafe { self.try_init(arena) });
    }

    /// [`init`](Self::init), but errs where that panics.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Null`] and [`ArenaError::TooFar`].
    ///
    /// # Safety
    ///
    /// As for [`init`](Self::init).
    pub unsafe fn try_init(&mut self, arena: Span) -> Result<(), ArenaError> {
        // SAFETY: As the caller says.
        let first = unsafe { Arena::claim_any(arena, Control::Outside, Memory::empty()) }?;
        self.quick = C::Quick::EMPTY;
        (self.first, self.others, self.recent) = (first, None, None);
        self.limit_quick();
        Ok(())
    }

    /// Extends the first arena to `arena`, at either end or both, by any number of bytes.
    ///
    /// If there is no first arena yet, this is [`init`](Self::init) but forgets nothing.
    ///
    /// The bitmap may have to move, which takes time in proportion to a 64th of the arena; an
    /// eighth of it is to spare then. If there is no room for the larger bitmap in the new memory
    /// nor in any free chunk, what it does not cover is used only after a further extension.
    ///
    /// # Panics
    ///
    /// If `arena` does not contain the old one, overlaps another one, contains the null address or
    /// is too large for the links. [`try_extend`](Self::try_extend) does not.
    ///
    /// # Safety
    ///
    /// What `arena` adds to the old one is memory as for [`init`](Self::init). If the span has a
    /// pointer, it is good for all of the span.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 2000];
    /// let whole = Span::from(&mut memory);
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.init(whole.truncate(500, 500));
    ///     heap.extend(heap.get_arena().extend(250, 250));
    /// }
    /// assert_eq!(heap.get_arena().size(), 1500);
    /// ```
    #[track_caller]
    pub unsafe fn extend(&mut self, arena: Span) {
        // SAFETY: As the caller says.
        expect(unsafe { self.try_extend(arena) });
    }

    /// [`extend`](Self::extend), but errs where that panics.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NotExtended`], [`ArenaError::Overlap`], [`ArenaError::Null`] and
    /// [`ArenaError::TooFar`].
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend).
    pub unsafe fn try_extend(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.flush();
        // SAFETY: As the caller says.
        unsafe { self.extend_at(None, arena, Memory::empty()) }
    }

    /// Reduces the first arena to `arena`, and touches what is left out no more.
    ///
    /// Quick lists are flushed. The bitmap may have to move.
    ///
    /// # Panics
    ///
    /// If the arena does not contain `arena`, or `arena` not all that is allocated and a place for
    /// the bitmap: [`get_allocated_span`](Self::get_allocated_span).
    /// [`try_truncate`](Self::try_truncate) does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 2000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe { heap.init(Span::from(&mut memory)) };
    ///
    /// let arena = heap.get_arena().truncate(100, 1000).fit_over(heap.get_allocated_span());
    /// heap.truncate(arena);
    /// assert_eq!(heap.get_arena().size(), 900);
    /// ```
    #[track_caller]
    pub fn truncate(&mut self, arena: Span) {
        expect(self.try_truncate(arena));
    }

    /// [`truncate`](Self::truncate), but errs where that panics.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NotTruncated`] and [`ArenaError::InUse`].
    pub fn try_truncate(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.flush();
        self.truncate_at(None, arena)
    }
}

/// Any number of arenas.
impl<C: Config, S> Talloc<C, S> {
    /// The memory of all arenas, as it was given, the first one's first.
    pub fn arenas(&self) -> impl Iterator<Item = Span> + '_ {
        self.places().map(|place| self.peek(place).span()).filter(|span| span.is_sized())
    }

    /// Gives the heap a further arena, or its first one if it has none.
    ///
    /// Only a few words of it are touched. A further arena's control block lies at its start and
    /// takes as many bytes as the heap itself, less the quick lists.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Overlap`], [`ArenaError::Null`], [`ArenaError::TooFar`], and, for a further
    /// arena, [`ArenaError::TooSmall`].
    ///
    /// # Safety
    ///
    /// As for [`init`](Self::init), but nothing is forgotten.
    pub unsafe fn claim(&mut self, arena: Span) -> Result<(), ArenaError> {
        // SAFETY: As the caller says.
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
        if self.overlaps(arena, None) {
            return Err(ArenaError::Overlap);
        }
        let is_first = self.first.span().is_empty();
        let control = if is_first { Control::Outside } else { Control::Inside };
        // SAFETY: As the caller says.
        let mut arena = unsafe { Arena::claim_any(arena, control, memory) }?;
        if is_first {
            self.first = arena;
        } else {
            arena.next = self.others;
            self.others = Some(settle(arena));
        }
        self.limit_quick();
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
        // SAFETY: As the caller says.
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
        let place = self.place_with(old)?;
        // SAFETY: As the caller says.
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
        let place = self.place_with(old)?;
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
        let place = self.place_with(arena)?;
        Ok(self.peek(place).least_span())
    }

    /// Takes the arena of that span from the heap, which touches its memory no more.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`], and [`ArenaError::InUse`] if anything is allocated in it.
    pub fn release_arena(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.flush();
        let place = self.place_with(arena)?;
        if self.peek(place).allocated().is_some() {
            return Err(ArenaError::InUse);
        }
        self.detach(place);
        self.recent = None;
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
    /// of the lower arena do not reach as far, and [`ArenaError::InUse`] if there is no room for a
    /// bitmap of both.
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
        let (low, high) = (self.place_with(lower)?, self.place_with(upper)?);
        if lower.acme() != upper.base() {
            return Err(ArenaError::NotAdjacent);
        }
        let (one, other) = if self.peek(low).is_blank() { (high, low) } else { (low, high) };
        let mut gone = self.detach(other);
        let mut arena = self.lift(one);
        let span = lower.fit_over(upper);
        // SAFETY: As the caller says; the second arena is gone if this succeeds.
        let result = unsafe {
            if gone.is_blank() {
                arena.reshape(span, Memory::empty())
            } else {
                arena.absorb(&mut gone, span)
            }
        };
        self.put(one, arena);
        if result.is_err() {
            self.attach(other, gone);
        }
        self.recent = None;
        self.limit_quick();
        result
    }

    /// Takes an arena out of the chain.
    fn detach(&mut self, place: Place<C>) -> Arena<C> {
        let arena = self.lift(place);
        if place.is_some() {
            *self.link_to(place) = arena.next;
        }
        arena
    }

    /// Puts an arena back into the chain that was at `place`.
    fn attach(&mut self, place: Place<C>, mut arena: Arena<C>) {
        if place.is_none() {
            self.first = arena;
        } else {
            arena.next = self.others;
            self.others = Some(settle(arena));
        }
    }

    /// Extends the arena at `place`.
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend); the quick lists are empty.
    unsafe fn extend_at(
        &mut self,
        place: Place<C>,
        span: Span,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        if !span.contains_span(self.peek(place).span()) {
            return Err(ArenaError::NotExtended);
        }
        if self.overlaps(span, Some(place)) {
            return Err(ArenaError::Overlap);
        }
        // SAFETY: The arena's memory and what the caller adds to it.
        unsafe { self.reshape(place, span, memory) }
    }

    /// Truncates the arena at `place`. The quick lists are empty.
    fn truncate_at(&mut self, place: Place<C>, span: Span) -> Result<(), ArenaError> {
        if !self.peek(place).span().contains_span(span) {
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
        let mut arena = self.lift(place);
        // SAFETY: As the caller says. If it fails, the arena has not changed.
        let result = unsafe { arena.reshape(span, memory) };
        self.put(place, arena);
        self.limit_quick();
        result
    }

    /// Moves an arena's structure out of its place.
    fn lift(&mut self, place: Place<C>) -> Arena<C> {
        match place {
            None => core::mem::replace(&mut self.first, Arena::NONE),
            // SAFETY: The structure is not used until another one is put there.
            Some(control) => unsafe { control.read() },
        }
    }

    /// Moves an arena's structure into its place, or, if the arena's own chunk has moved, to where
    /// that is, with what links to it.
    fn put(&mut self, place: Place<C>, arena: Arena<C>) {
        match place {
            None => self.first = arena,
            Some(_) => {
                let settled = Some(settle(arena));
                *self.link_to(place) = settled;
                if self.recent == place {
                    self.recent = settled;
                }
            }
        }
    }

    /// Moves the own chunk of each arena in which nothing is allocated back to its start, so that
    /// the rest is one free chunk. Returns whether any was elsewhere.
    pub(super) fn tidy(&mut self) -> bool {
        let mut moved = false;
        let mut place = None;
        loop {
            let next = self.after(place);
            let arena = self.peek(place);
            if arena.is_split_by_own() && arena.allocated().is_none() {
                let span = arena.span();
                // SAFETY: It is the arena's memory. Nothing in it is in use.
                moved |= unsafe { self.reshape(place, span, Memory::empty()) }.is_ok();
            }
            match next {
                Some(_) => place = next,
                None => return moved,
            }
        }
    }

    /// Bounds the quick lists by the size of the arenas.
    fn limit_quick(&mut self) {
        let bytes: usize = self.places().map(|place| self.peek(place).size()).sum();
        self.quick.set_limit((bytes / QUICK_SHARE).min(C::QUICK_BYTES) / GRANULE);
    }
}

/// Puts an arena's structure where the arena keeps it.
fn settle<C: Config>(arena: Arena<C>) -> core::ptr::NonNull<Arena<C>> {
    let place = arena.control();
    // SAFETY: The arena's own chunk starts with room for it, which nobody else uses.
    unsafe { place.write(arena) };
    place
}

/// Panics with what was wrong.
#[track_caller]
fn expect(result: Result<(), ArenaError>) {
    if let Err(error) = result {
        panic!("{}", error.message());
    }
}
