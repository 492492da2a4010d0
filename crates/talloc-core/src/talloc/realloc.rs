//! Changing the size of a block.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Talloc;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::AllocError;
use crate::misuse::Call;
use crate::source::Source;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Makes a block larger, if need be by moving it. Returns where it is.
    ///
    /// Takes constant time if it need not be moved, and copies it otherwise.
    ///
    /// # Errors
    ///
    /// If there is not enough memory, or `new_size`, rounded up to the alignment, is above
    /// `isize::MAX`. The block is as it was then.
    ///
    /// # Panics
    ///
    /// As [`free`](Self::free) does.
    ///
    /// # Safety
    ///
    /// `ptr` is a block of this heap, allocated or last reallocated with `layout`, and `new_size`
    /// is at least `layout.size()`. If this succeeds, the block has the layout with the new size,
    /// and `ptr` is not used any more.
    pub unsafe fn grow(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        if !self.knows(Call::Grow { new_size }, ptr, layout) {
            self.report(Call::Grow { new_size }, ptr, layout);
            return Err(AllocError);
        }
        // SAFETY: As the caller says.
        if let Ok(block) = unsafe { self.grow_known(ptr, layout, new_size) } {
            return Ok(block);
        }
        let new_layout =
            Layout::from_size_align(new_size, layout.align()).map_err(|_| AllocError)?;
        // SAFETY: The new block is as large as the old one at the least, and another one, so that
        // they do not overlap. The old one is not used any more.
        unsafe {
            let new = self.malloc(new_layout)?;
            new.copy_from_nonoverlapping(ptr, layout.size());
            self.free_known(ptr, layout);
            Ok(new)
        }
    }
}

impl<C: Config, S> Talloc<C, S> {
    /// Makes a block larger where it is. Returns `ptr`, but good for all of the block, which the
    /// pointer that is given need not be.
    ///
    /// Takes constant time.
    ///
    /// # Errors
    ///
    /// If what follows the block is not free, or not enough. The block is as it was then.
    ///
    /// # Panics
    ///
    /// As [`free`](Self::free) does.
    ///
    /// # Safety
    ///
    /// `ptr` is a block of this heap, allocated or last reallocated with `layout`, and `new_size`
    /// is at least `layout.size()`. If this succeeds, the block has the layout with the new size.
    #[inline]
    pub unsafe fn grow_in_place(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        if self.knows(Call::Grow { new_size }, ptr, layout) {
            // SAFETY: As the caller says.
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
        let (old, new) = (Arena::<C>::block_len(layout.size()), Arena::<C>::block_len(new_size));
        let arena = self.arena_of(ptr);
        let at = arena.granule(ptr);
        // SAFETY: The block ends there.
        if old == new || unsafe { arena.grow(at + old, new - old) } {
            arena.resize(at, old, new);
            Ok(arena.block(ptr))
        } else {
            Err(AllocError)
        }
    }

    /// Makes a block smaller, where it is.
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
    #[inline]
    pub unsafe fn shrink(&mut self, ptr: NonNull<u8>, layout: Layout, new_size: usize) {
        if self.knows(Call::Shrink { new_size }, ptr, layout) {
            // SAFETY: As the caller says.
            unsafe { self.shrink_known(ptr, layout, new_size) }
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
        let (old, new) = (Arena::<C>::block_len(layout.size()), Arena::<C>::block_len(new_size));
        if old == new {
            return;
        }
        let arena = self.arena_of(ptr);
        let at = arena.granule(ptr);
        arena.resize(at, old, new);
        // SAFETY: The granules between the ends are used and the caller gives them up.
        unsafe { arena.release(at + new, old - new) };
    }
}
