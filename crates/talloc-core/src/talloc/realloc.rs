//! Changing the size of a block.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_span::Align;

use super::Talloc;
use crate::arena::Arena;
use crate::config::Config;
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::misuse::Call;
use crate::quick::Lists;
use crate::source::Source;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Changes the size of a block, if need be by moving it. Returns where it is.
    ///
    /// A small block also moves if one of the new size has been freed before: that is less work than
    /// to split and to coalesce. Takes constant time if the block need not be moved, and copies it
    /// otherwise.
    ///
    /// # Errors
    ///
    /// If there is not enough memory, or `new_size`, rounded up to the alignment, is above
    /// `isize::MAX`. The block is as it was then. A smaller size does not fail.
    ///
    /// # Panics
    ///
    /// As [`free`](Self::free) does.
    ///
    /// # Safety
    ///
    /// `ptr` is a block of this heap, allocated or last reallocated with `layout`. If this succeeds,
    /// the block has the layout with the new size, and `ptr` is not used any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 2000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u8; 40]>();
    /// // SAFETY: The memory is the heap's until neither is used any more, and the block is used with
    /// // the layout that it has.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(layout).unwrap();
    ///     block.write(7);
    ///     let block = heap.realloc(block, layout, 900).unwrap();
    ///     assert_eq!(block.read(), 7);
    /// }
    /// ```
    #[inline]
    pub unsafe fn realloc(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: As the caller says.
        unsafe { self.resize(Call::resize(layout.size(), new_size), ptr, layout, new_size) }
    }

    /// [`realloc`](Self::realloc) to a size that is not smaller.
    ///
    /// # Errors
    ///
    /// As for [`realloc`](Self::realloc).
    ///
    /// # Panics
    ///
    /// As [`free`](Self::free) does.
    ///
    /// # Safety
    ///
    /// As for [`realloc`](Self::realloc), and `new_size` is at least `layout.size()`.
    #[inline]
    pub unsafe fn grow(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: As the caller says.
        unsafe { self.resize(Call::Grow { new_size }, ptr, layout, new_size) }
    }

    /// [`realloc`](Self::realloc), by a call of some name.
    ///
    /// # Errors
    ///
    /// As for [`realloc`](Self::realloc).
    ///
    /// # Safety
    ///
    /// As for [`realloc`](Self::realloc).
    #[inline]
    unsafe fn resize(
        &mut self,
        call: Call,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        if !self.knows(call, ptr, layout) {
            self.report(call, ptr, layout);
            return Err(AllocError);
        }
        if new_size > isize::MAX as usize - (layout.align() - 1) {
            return Err(AllocError);
        }
        // SAFETY: The alignment is that of a layout, and the size rounded up to it is in bounds.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: As the caller says; the block is aligned as before.
        if let Ok(block) = unsafe { self.resize_known(ptr, layout, new) } {
            self.trim_if_due();
            return Ok(block);
        }
        // SAFETY: Only to grow can have failed, so that the new block is as large as the old one at
        // the least, and another one: they do not overlap. The old one is not used any more.
        unsafe {
            let block = self.malloc(new)?;
            block.copy_from_nonoverlapping(ptr, layout.size());
            self.free_known(ptr, layout);
            self.trim_if_due();
            Ok(block)
        }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Gives a block that the heap knows the new layout, as far as that can be had without a search:
    /// by an exchange for a cached block, or where it is.
    ///
    /// # Errors
    ///
    /// If the block would have to be moved elsewhere, or the new size is above `isize::MAX`.
    ///
    /// # Safety
    ///
    /// As for [`realloc`](Self::realloc), with the old layout and the new one; where the block is,
    /// it is aligned for both.
    #[inline(always)]
    pub(crate) unsafe fn resize_known(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: As the caller says.
        unsafe {
            if let Some(block) = self.exchange(ptr, old, new) {
                Ok(block)
            } else if new.size() >= old.size() {
                self.grow_known(ptr, old, new.size())
            } else {
                self.shrink_known(ptr, old, new.size());
                Ok(ptr)
            }
        }
    }

    /// Moves a block to the first one on the quick list of the new size, if there is one and the old
    /// size has a list, too.
    ///
    /// # Safety
    ///
    /// As for [`realloc`](Self::realloc), with the old layout and the new one.
    #[inline(always)]
    unsafe fn exchange(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Option<NonNull<u8>> {
        let old_len = Arena::<C>::block_len(old.size());
        let new_len = Arena::<C>::block_len(new.size());
        if old_len >= C::Quick::CLASSES || old_len == new_len {
            return None;
        }
        let block = self.pop_aligned(new_len, Align::of_layout(new))?;
        // SAFETY: Both blocks have as many bytes, and are different ones, for one was free. The old
        // one is not used any more, and has a list.
        unsafe {
            block.copy_from_nonoverlapping(ptr, old.size().min(new.size()));
            self.cache(ptr, old_len);
        }
        Some(block)
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
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
            let block = arena.block(ptr);
            self.source.taken((new - old) * GRANULE);
            Ok(block)
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
            unsafe { self.shrink_known(ptr, layout, new_size) };
            self.trim_if_due();
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
        self.source.freed((old - new) * GRANULE);
    }
}
