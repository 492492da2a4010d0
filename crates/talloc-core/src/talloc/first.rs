//! The first arena, with the methods of v2. They panic where the methods for any arena return an [`ArenaError`].

use talloc_span::Span;

use super::arenas::Arenas;
use super::{ArenasMut, OwnedTalloc, Talloc};
use crate::arena::{Arena, Control};
use crate::checks::State;
use crate::config::{Config, QuickOf};
use crate::error::ArenaError;
use crate::memory::Memory;
use crate::quick::Lists;
use crate::source::Source;

/// The first arena, as in v2.
impl<C: Config, S> Talloc<C, S> {
    /// Returns the memory of the first arena, as it was given. The span is empty if there is no arena.
    #[inline]
    pub fn get_arena(&self) -> Span {
        self.arenas.first.span()
    }

    /// Returns the part of the first arena in which blocks may lie.
    ///
    /// These are all whole granules of 8 bytes that the bitmap covers: see [`extend`](Self::extend). The span is empty
    /// if the arena is too small for any block.
    pub fn get_allocatable_span(&self) -> Span {
        self.arenas.first.allocatable()
    }
}

/// Changing it.
impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Returns a span that the first arena can be [truncated](Self::truncate) to. It can also be truncated to any span
    /// that contains this one.
    ///
    /// The span contains everything that is allocated, and a place for the bitmap, which lies between allocations or
    /// else next to them. The span is empty if nothing is allocated.
    ///
    /// Flushes the quick lists. Takes constant time apart from that.
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
    ///     assert!(heap.get_allocated_span().is_empty());
    ///     heap.malloc(Layout::new::<[u64; 5]>())?
    /// };
    /// let allocated = heap.get_allocated_span();
    /// assert!(allocated.contains(block.addr().get()) && allocated.size() < 1000);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    pub fn get_allocated_span(&mut self) -> Span {
        self.flush();
        self.arenas.first.least_span()
    }

    /// Makes `arena` the only memory of the heap, and forgets all blocks that were allocated before.
    ///
    /// Writes only a few words of the memory. The span may have any base and size. If it is too small, nothing can be
    /// allocated from it.
    ///
    /// # Panics
    ///
    /// If the span contains the null address, or is [too large for the links](crate::Index). [`ArenasMut::try_init`]
    /// returns an error instead.
    ///
    /// # Safety
    ///
    /// * The memory of the span can be read and written, through its pointer if it has one, until the heap has given it
    ///   back or is not used any more. Until then, only the heap and the owners of its blocks use the memory.
    /// * Blocks that were allocated before are never freed or reallocated. That includes blocks in a
    ///   [`Batch`](crate::Batch), and blocks in a cache in front of the heap: empty the cache first.
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
    /// assert_eq!(heap.get_arena().size(), 10_000);
    /// ```
    #[track_caller]
    pub unsafe fn init(&mut self, arena: Span) {
        // SAFETY: The caller gives the heap the memory, and frees no block of an earlier arena.
        expect(unsafe { self.arenas_mut().try_init(arena) });
    }

    /// Extends the first arena to `arena`, at either end or both, by any number of bytes.
    ///
    /// If there is no first arena yet, `arena` becomes the first one.
    ///
    /// The bitmap may have to move, which takes time in proportion to a 64th of the arena. It then gets room for an
    /// eighth more, so it does not move at each extension. If neither the new memory nor any free chunk has room for
    /// the larger bitmap, the memory that the bitmap does not cover stays unused until a later extension.
    ///
    /// # Panics
    ///
    /// If `arena` does not contain the old one, overlaps another one, contains the null address or is too large for the
    /// links. [`ArenasMut::try_extend`] returns an error instead.
    ///
    /// # Safety
    ///
    /// The memory that `arena` adds to the old one fulfils the conditions of [`init`](Self::init). If the span has a
    /// pointer, it is valid for all of the span.
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

    /// Reduces the first arena to `arena`. The heap does not access the rest any more, so the caller has it back.
    ///
    /// Flushes the quick lists. The bitmap may have to move, which takes time in proportion to a 64th of the arena.
    ///
    /// # Panics
    ///
    /// If the first arena does not contain `arena`, or if `arena` does not contain everything that is allocated and a
    /// place for the bitmap: see [`get_allocated_span`](Self::get_allocated_span). [`ArenasMut::try_truncate`] returns
    /// an error instead.
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
    /// [`Talloc::init`], but returns an error instead of a panic.
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
        self.heap.quick = QuickOf::<C>::EMPTY;
        self.heap.arenas = Arenas::of_first(first);
        self.heap.guard = State::EMPTY;
        self.heap.arm();
        self.heap.limit_quick();
        debug_assert!(self.heap.arenas.used() == 0 && self.heap.quick.cached() == 0, "I9, I12");
        Ok(())
    }

    /// [`Talloc::extend`], but returns an error instead of a panic.
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

    /// [`Talloc::truncate`], but returns an error instead of a panic.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NotTruncated`] and [`ArenaError::InUse`].
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{ArenaError, Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     heap.malloc(Layout::new::<[u64; 5]>()).unwrap();
    /// }
    /// let allocated = heap.get_allocated_span();
    /// assert_eq!(heap.arenas_mut().try_truncate(Span::empty()), Err(ArenaError::InUse));
    /// heap.arenas_mut().try_truncate(allocated)?;
    /// assert_eq!(heap.get_arena(), allocated);
    /// # Ok::<(), ArenaError>(())
    /// ```
    pub fn try_truncate(&mut self, arena: Span) -> Result<(), ArenaError> {
        self.heap.flush();
        self.heap.truncate_at(None, arena)
    }
}

/// [`extend`](Talloc::extend) and [`truncate`](Talloc::truncate) with arguments that the heap computes, for a heap that
/// is owned.
impl<C: Config, S: Source<C>> OwnedTalloc<C, S> {
    /// [`Talloc::extend`], whose argument may call the heap, as in `heap.extend(heap.get_arena()...)`.
    ///
    /// The borrow checker accepts such a call only if the method takes the owned heap: a `&mut Talloc` that is made by
    /// dereferencing it would be borrowed before its argument is computed.
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

    /// [`Talloc::truncate`], whose argument may call the heap.
    ///
    /// # Panics
    ///
    /// As [`Talloc::truncate`] does.
    #[track_caller]
    pub fn truncate(&mut self, arena: Span) {
        (**self).truncate(arena);
    }
}

/// Panics with the message of an error.
#[track_caller]
fn expect(result: Result<(), ArenaError>) {
    if let Err(error) = result {
        panic!("{}", error.message());
    }
}
