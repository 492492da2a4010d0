//! Changing the size of a block in place.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Talloc;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::misuse::Call;
use crate::quick::slab::SLAB_CLASSES;
use crate::source::Source;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Makes a block larger in place. Returns a pointer to it that is valid for the whole block, which `ptr` need not
    /// be.
    ///
    /// Takes constant time.
    ///
    /// # Errors
    ///
    /// If there is not enough free memory after the block. The block is then unchanged.
    ///
    /// # Panics
    ///
    /// As [`free`](Self::free) does.
    ///
    /// # Safety
    ///
    /// `ptr` is a block of this heap, allocated or last reallocated with `layout`, and `new_size`
    /// is at least `layout.size()`. If this succeeds, the block has the layout with the new size.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u8; 100]>();
    /// // SAFETY: The memory is the heap's until neither is used any more. The block has the size that was last passed.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(layout)?;
    ///     // All memory after the block is free.
    ///     assert_eq!(heap.grow_in_place(block, layout, 1000)?, block);
    ///     heap.free(block, Layout::new::<[u8; 1000]>());
    /// }
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub unsafe fn grow_in_place(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        if self.knows(Call::Grow { new_size }, ptr, layout) {
            // SAFETY: The heap knows the block, and `new_size` is not smaller, by the contract of this function.
            unsafe { self.grow_known(ptr, layout, new_size) }
        } else {
            self.report(Call::Grow { new_size }, ptr, layout);
            Err(AllocError)
        }
    }

    /// [`grow_in_place`](Self::grow_in_place), of a block that the heap knows.
    ///
    /// # Errors
    ///
    /// As for [`grow_in_place`](Self::grow_in_place).
    ///
    /// # Safety
    ///
    /// As for [`grow_in_place`](Self::grow_in_place).
    #[inline]
    pub(crate) unsafe fn grow_known(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        debug_assert!(new_size >= layout.size(), "a block can only grow to a larger size");
        if new_size > isize::MAX as usize {
            return Err(AllocError);
        }
        // SAFETY: `ptr` is a block of this heap with `layout`, by the contract of this function.
        unsafe { self.reshape_block(ptr, layout.size(), new_size) }
    }

    /// Makes a block smaller in place.
    ///
    /// Takes constant time.
    ///
    /// # Panics
    ///
    /// As [`free`](Self::free) does.
    ///
    /// # Safety
    ///
    /// `ptr` is a block of this heap, allocated or last reallocated with `layout`, and `new_size`
    /// is at most `layout.size()`. The block has the layout with the new size from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let (old, new) = (Layout::new::<[u8; 1000]>(), Layout::new::<[u8; 100]>());
    /// // SAFETY: The memory is the heap's until neither is used any more. The block has the size that was last passed.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(old)?;
    ///     heap.shrink(block, old, new.size());
    ///     assert_eq!(heap.inspect().used_bytes(), 104);
    ///     heap.free(block, new);
    /// }
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub unsafe fn shrink(&mut self, ptr: NonNull<u8>, layout: Layout, new_size: usize) {
        if self.knows(Call::Shrink { new_size }, ptr, layout) {
            // Nothing has changed yet. If the source panics, the caller still has its block.
            self.tend();
            // SAFETY: It is the caller's block, and the heap knows it.
            unsafe { self.shrink_known(ptr, layout, new_size) };
        } else {
            self.report(Call::Shrink { new_size }, ptr, layout);
        }
    }

    /// [`shrink`](Self::shrink), of a block that the heap knows.
    ///
    /// # Safety
    ///
    /// As for [`shrink`](Self::shrink).
    #[inline]
    pub(crate) unsafe fn shrink_known(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) {
        debug_assert!(new_size <= layout.size(), "a block can only shrink to a smaller size");
        // SAFETY: `ptr` is a block of this heap with `layout`, by the contract of this function.
        let shrunk = unsafe { self.reshape_block(ptr, layout.size(), new_size) };
        debug_assert!(shrunk.is_ok(), "only to grow can fail");
    }

    /// Gives a block that the heap knows another size in place.
    ///
    /// # Errors
    ///
    /// If there is not enough free memory after the block.
    ///
    /// # Safety
    ///
    /// It is a block of the size `old`, and neither size is above `isize::MAX`. If this succeeds, it
    /// has the size `new`.
    #[inline(always)]
    pub(super) unsafe fn reshape_block(
        &mut self,
        ptr: NonNull<u8>,
        old: usize,
        new: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        let size = new;
        let (old, new) = (Arena::<C>::block_len(old), Arena::<C>::block_len(new));
        // SAFETY: It is an allocated block of this heap.
        if old < SLAB_CLASSES && unsafe { self.is_in_slab(ptr) } {
            return if new <= old { Ok(ptr) } else { Err(AllocError) };
        }
        // Where code is to be small, one path serves heaps of one and of several arenas.
        if !self.arenas.is_single() || cfg!(small) && !C::SINGLE_ARENA {
            // SAFETY: The same conditions hold.
            let block = unsafe { self.reshape_among(ptr, old, new) }?;
            // SAFETY: The block now has that size.
            unsafe { self.seal(block, size) };
            return Ok(block);
        }
        // SAFETY: It is a block of the only arena.
        let block = unsafe { reshape_in(&mut self.arenas.first, ptr, old, new) }?;
        self.count_reshaped(old, new);
        // SAFETY: The block now has that size.
        unsafe { self.seal(block, size) };
        Ok(block)
    }

    /// [`reshape_block`](Self::reshape_block) from `old` granules to `new` ones, in a heap of several arenas.
    ///
    /// # Errors
    ///
    /// As for [`reshape_block`](Self::reshape_block).
    ///
    /// # Safety
    ///
    /// As for [`reshape_block`](Self::reshape_block).
    #[cold]
    #[inline(never)]
    unsafe fn reshape_among(
        &mut self,
        ptr: NonNull<u8>,
        old: usize,
        new: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        let place = self.arenas.place_of(ptr);
        // SAFETY: It is a block of that arena.
        let reshaped = unsafe { reshape_in(self.arenas.arena_at(place), ptr, old, new) };
        self.arenas.heed(place);
        let block = reshaped?;
        self.count_reshaped(old, new);
        self.arenas.note_change(place);
        Ok(block)
    }

    /// Updates the count of bytes in use after a block has changed its size.
    #[inline(always)]
    fn count_reshaped(&mut self, old: usize, new: usize) {
        if new < old {
            self.arenas.count_freed((old - new) * GRANULE);
        } else {
            self.arenas.count_taken((new - old) * GRANULE);
        }
    }
}

/// Gives a block of an arena `new` granules instead of `old`, in place.
///
/// # Errors
///
/// If there is not enough free memory after the block.
///
/// # Safety
///
/// It is a block of the arena with `old` granules. If this succeeds, it has `new`.
#[inline(always)]
unsafe fn reshape_in<C: Config>(
    arena: &mut Arena<C>,
    ptr: NonNull<u8>,
    old: usize,
    new: usize,
) -> Result<NonNull<u8>, AllocError> {
    debug_assert!(arena.contains(ptr.addr().get()), "the block is from this heap");
    debug_assert!(old > 0 && new > 0, "a block is whole granules");
    let at = arena.granule(ptr);
    // SAFETY: The block ends there.
    if new > old && !unsafe { arena.grow(at + old, new - old) } {
        return Err(AllocError);
    }
    arena.resize(at, old, new);
    if new < old {
        // SAFETY: The granules between the new end and the old one are used, and the caller gives them up. The granules
        // before them stay a part of the block.
        unsafe { arena.release_tail(at + new, old - new) };
    }
    Ok(arena.block(ptr))
}
