//! The first arena, by the methods of v2, which panic where those of any number of arenas return an
//! [`ArenaError`].

use talloc_span::Span;

use super::arenas::Arenas;
use super::{ArenasMut, OwnedTalloc, Talloc};
use crate::arena::{Arena, Control};
use crate::config::Config;
use crate::error::ArenaError;
use crate::memory::Memory;
use crate::quick::Lists;
use crate::source::Source;

/// The first arena, as in v2.
impl<C: Config, S> Talloc<C, S> {
    /// The memory of the first arena, as it was given; empty if there is none.
    #[inline]
    pub fn get_arena(&self) -> Span {
        self.arenas.first.span()
    }

    /// The part of the first arena that allocations may lie in.
    ///
    /// That is all whole granules of 8 bytes, as far as the bitmap reaches; see
    /// [`extend`](Self::extend). Empty if the arena is too small for any allocation.
    pub fn get_allocatable_span(&self) -> Span {
        self.arenas.first.allocatable()
    }
}

/// Changing it.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// A span that the first arena can be [truncated](Self::truncate) to, as can all larger ones.
    ///
    /// It is what contains all that is allocated, and a place for the bitmap, which lies between
    /// allocations if there is room and next to them if not. Empty if nothing is allocated.
    ///
    /// Quick lists are flushed. Takes constant time apart from that.
    pub fn get_allocated_span(&mut self) -> Span {
        self.flush();
        self.arenas.first.least_span()
    }

    /// Makes `arena` the only memory of the heap, and forgets everything allocated before.
    ///
    /// Only a few words of it are touched. Spans of any base and size are accepted; from one that
    /// is too small, nothing can be allocated.
    ///
    /// # Panics
    ///
    /// If the span contains the null address or is too large for the links; see
    /// [`Index`](crate::Index). [`ArenasMut::try_init`] does not.
    ///
    /// # Safety
    ///
    /// The memory of the span can be read and written, through its pointer if it has one, until
    /// the heap has given it back or is not used any more; nobody else uses it meanwhile, but for
    /// what is allocated. No block is allocated, or the owners of those that are never free or
    /// reallocate them.
    #[track_caller]
    pub unsafe fn init(&mut self, arena: Span) {
        // SAFETY: The caller gives the heap the memory, and frees no block of an earlier arena.
        expect(unsafe { self.arenas_mut().try_init(arena) });
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
    /// is too large for the links. [`ArenasMut::try_extend`] does not.
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
        // SAFETY: The caller gives the heap what `arena` adds to the old span.
        expect(unsafe { self.arenas_mut().try_extend(arena) });
    }

    /// Reduces the first arena to `arena`, and touches what is left out no more.
    ///
    /// Quick lists are flushed. The bitmap may have to move.
    ///
    /// # Panics
    ///
    /// If the arena does not contain `arena`, or `arena` not all that is allocated and a place for
    /// the bitmap: [`get_allocated_span`](Self::get_allocated_span).
    /// [`ArenasMut::try_truncate`] does not.
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
        expect(self.arenas_mut().try_truncate(arena));
    }
}

/// Changing the first arena, with an error instead of a panic.
impl<C: Config, S: Source<C>> ArenasMut<'_, C, S> {
    /// [`Talloc::init`], but errs where that panics.
    ///
    /// # Errors
    ///
    /// [`ArenaError::Null`] and [`ArenaError::TooFar`].
    ///
    /// # Safety
    ///
    /// As for [`Talloc::init`].
    pub unsafe fn try_init(&mut self, arena: Span) -> Result<(), ArenaError> {
        // SAFETY: The caller gives the heap the memory, and frees no block of an earlier arena.
        let first = unsafe { Arena::claim_any(arena, Control::OUTSIDE, Memory::empty()) }?;
        self.heap.quick = C::Quick::EMPTY;
        self.heap.arenas = Arenas::of_first(first);
        self.heap.limit_quick();
        debug_assert!(self.heap.arenas.used() == 0 && self.heap.quick.cached() == 0, "I9, I12");
        Ok(())
    }

    /// [`Talloc::extend`], but errs where that panics.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NotExtended`], [`ArenaError::Overlap`], [`ArenaError::Null`] and
    /// [`ArenaError::TooFar`].
    ///
    /// # Safety
    ///
    /// As for [`Talloc::extend`].
    pub unsafe fn try_extend(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.heap.flush();
        // SAFETY: The caller gives the heap what `arena` adds to the old span. The quick lists are empty.
        unsafe { self.heap.extend_at(None, arena, Memory::empty()) }
    }

    /// [`Talloc::truncate`], but errs where that panics.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NotTruncated`] and [`ArenaError::InUse`].
    pub fn try_truncate(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.heap.flush();
        self.heap.truncate_at(None, arena)
    }
}

/// Changing it with what the heap itself tells, which takes a heap that is owned.
impl<C: Config, S: Source<C>> OwnedTalloc<C, S> {
    /// [`Talloc::extend`], where `arena` may be made of what the heap tells.
    ///
    /// A heap that is borrowed as a [`Talloc`] cannot be asked meanwhile: `heap.extend(heap.get_arena()...)`
    /// is for one that is owned.
    ///
    /// # Panics
    ///
    /// As [`Talloc::extend`] does.
    ///
    /// # Safety
    ///
    /// As for [`Talloc::extend`].
    #[track_caller]
    pub unsafe fn extend(&mut self, arena: Span) {
        // SAFETY: The caller keeps to the same conditions.
        unsafe { (**self).extend(arena) }
    }

    /// [`Talloc::truncate`], where `arena` may be made of what the heap tells.
    ///
    /// # Panics
    ///
    /// As [`Talloc::truncate`] does.
    #[track_caller]
    pub fn truncate(&mut self, arena: Span) {
        (**self).truncate(arena);
    }
}

/// Panics with what was wrong.
#[track_caller]
fn expect(result: Result<(), ArenaError>) {
    if let Err(error) = result {
        panic!("{}", error.message());
    }
}
