//! Extending an arena upwards, and blocks at its end with it.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_span::Span;

use super::Talloc;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::{AllocError, ArenaError};
use crate::granule::GRANULE;
use crate::memory::Memory;
use crate::source::Source;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Extends the arena of the span `old` by `size` bytes that follow it.
    ///
    /// It is for sources whose memory goes on where the last piece ended. Compared to
    /// [`extend_arena_as`](Self::extend_arena_as), nothing is flushed, the bitmap goes to the end of the
    /// new memory, where it is in the way of nothing, and there is less code. The bitmap is copied each
    /// time, a 64th of what has been in use of the arena.
    ///
    /// # Errors
    ///
    /// [`ArenaError::NoSuchArena`], [`ArenaError::Overlap`], [`ArenaError::Null`],
    /// [`ArenaError::TooFar`], and [`ArenaError::TooSmall`] if there is no room for the larger bitmap.
    ///
    /// # Safety
    ///
    /// As for [`extend`](Self::extend), and `memory` holds of what is added.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_core::{Memory, Span, Talloc};
    ///
    /// let mut memory = vec![0_u8; 20_000];
    /// let whole = Span::from(memory.as_mut_slice());
    /// let mut heap = Talloc::new();
    /// // SAFETY: The memory is the heap's until neither is used any more, and it is zero.
    /// unsafe {
    ///     heap.claim(whole.truncate(0, 10_000)).unwrap();
    ///     let arena = heap.get_arena();
    ///     heap.raise_arena(arena, 10_000, Memory::ZEROED).unwrap();
    /// }
    /// assert_eq!(heap.get_arena(), whole);
    /// ```
    pub unsafe fn raise_arena(
        &mut self,
        old: Span,
        size: usize,
        memory: Memory,
    ) -> Result<(), ArenaError> {
        let place = self.arenas.place_with(old)?;
        let new = old.try_extend(0, size).ok_or(ArenaError::Null)?;
        if !C::SINGLE_ARENA && self.arenas.overlaps(new, Some(place)) {
            return Err(ArenaError::Overlap);
        }
        // SAFETY: The arena's memory and what the caller adds to it.
        let result = self.arenas.with_detached(place, |arena| unsafe { arena.raise(new, memory) });
        self.arenas.begin_with(None);
        self.limit_quick();
        result
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// [`resize_known`](Self::resize_known), for which the source may be asked, if its memory goes on
    /// where the arena ends.
    ///
    /// # Errors
    ///
    /// As for [`resize_known`](Self::resize_known).
    ///
    /// # Safety
    ///
    /// As for [`resize_known`](Self::resize_known).
    #[inline(always)]
    pub(crate) unsafe fn resize_or_extend(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `ptr` is a block of the heap with the layout `old`, aligned for `new`, by the contract of this
        // function.
        match unsafe { self.resize_known(ptr, old, new) } {
            // SAFETY: The block is as it was, since this has failed. Only to grow can fail, so `new` is larger.
            Err(AllocError) if S::EXTENDS => unsafe { self.extend_under(ptr, old, new) },
            result => result,
        }
    }

    /// Makes a block larger that lies at its arena's end, where the arena can be extended.
    ///
    /// # Errors
    ///
    /// If it lies elsewhere, or the source does not provide what is lacking.
    ///
    /// # Safety
    ///
    /// As for [`resize_known`](Self::resize_known), and the new size is the larger one.
    #[cold]
    #[inline(never)]
    unsafe fn extend_under(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        if new.size() > Self::MAX_BLOCK {
            return Err(AllocError);
        }
        let (old_len, new_len) =
            (Arena::<C>::block_len(old.size()), Arena::<C>::block_len(new.size()));
        let arena = self.arenas.arena_of(ptr);
        let end = arena.granule(ptr) + old_len;
        let lacking = arena.lacking_above(end, new_len - old_len).ok_or(AllocError)?;
        let lacking = Layout::from_size_align(lacking * GRANULE, GRANULE);
        S::acquire(self, lacking.map_err(|_| AllocError)?)?;
        // SAFETY: The source has left the block as it was: it still has the layout `old`.
        unsafe { self.resize_known(ptr, old, new) }
    }
}
