//! Changing the size of a block.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_span::Align;

use super::Talloc;
use crate::arena::Arena;
use crate::config::{Config, Level};
use crate::error::AllocError;
use crate::misuse::Call;
use crate::quick::Lists;
use crate::source::Source;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Changes the size of a block. Moves the block if it has no room, and returns where it is.
    ///
    /// A small block also moves if there is a cached block of the new size, because that is less work than to split or
    /// coalesce chunks. Takes constant time if the block does not move, and otherwise the time to copy it.
    ///
    /// # Errors
    ///
    /// If there is not enough memory, or if `new_size`, rounded up to the alignment, is above `isize::MAX`. The block
    /// is then unchanged. A smaller size never fails.
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
    #[track_caller]
    pub unsafe fn realloc(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `ptr` is a block of this heap with `layout`, by the contract of this function.
        unsafe { self.resize(Call::resize(layout.size(), new_size), ptr, layout, new_size) }
    }

    /// Makes a block larger: [`realloc`](Self::realloc) to a size that is not smaller.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let (old, new) = (Layout::new::<[u8; 100]>(), Layout::new::<[u8; 1000]>());
    /// // SAFETY: The memory is the heap's until neither is used any more. The block has the size that was last passed.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(old)?;
    ///     block.write_bytes(7, old.size());
    ///     let block = heap.grow(block, old, new.size())?;
    ///     assert_eq!(block.add(99).read(), 7);
    ///     heap.free(block, new);
    /// }
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub unsafe fn grow(
        &mut self,
        ptr: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `ptr` is a block of this heap with `layout`, by the contract of this function.
        unsafe { self.resize(Call::Grow { new_size }, ptr, layout, new_size) }
    }

    /// [`realloc`](Self::realloc), with the call that a checked heap reports.
    ///
    /// # Errors
    ///
    /// As for [`realloc`](Self::realloc).
    ///
    /// # Safety
    ///
    /// As for [`realloc`](Self::realloc).
    #[inline]
    #[track_caller]
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
        // Nothing has changed yet. If the source panics, the caller still has its block.
        self.tend();
        // SAFETY: It is the caller's block, and aligned as before.
        if let Ok(block) = unsafe { self.resize_or_extend(ptr, layout, new) } {
            return Ok(block);
        }
        // SAFETY: Only growing can have failed, so the new block is at least as large as the old one. The new block was
        // free, so they do not overlap. The old one is not used any more.
        unsafe {
            let block = self.malloc(new)?;
            block.copy_from_nonoverlapping(ptr, layout.size());
            self.free_moved(ptr, Arena::<C>::block_len(layout.size()));
            Ok(block)
        }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Gives a block that the heap knows a new layout without a search: by an exchange for a cached block, or in place.
    ///
    /// # Errors
    ///
    /// If the block would have to be moved elsewhere, or the new size is above `isize::MAX`.
    ///
    /// # Safety
    ///
    /// As for [`realloc`](Self::realloc), with the old layout and the new one. The block's address is aligned for both.
    #[inline(always)]
    pub(crate) unsafe fn resize_known(
        &mut self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `ptr` is a block with the layout `old`, aligned for `new`. If `exchange` returns `None`, it has
        // left the block as it was.
        unsafe {
            if let Some(block) = self.exchange(ptr, old, new) {
                return Ok(block);
            }
            self.reshape_block(ptr, old.size(), new.size())
        }
    }

    /// Moves a block to a cached block of the new size, if there is one and the old size has a list, too.
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
        if C::HARDENED {
            return None;
        }
        let old_len = Arena::<C>::block_len(old.size());
        let new_len = Arena::<C>::block_len(new.size());
        if old_len >= self.quick.classes() || old_len == new_len {
            return None;
        }
        let block = self.pop_aligned(new_len, Align::of_layout(new))?;
        if !self.is_listed(ptr) {
            // The block stays in its own kind of memory.
            self.put_back(block, new_len);
            return None;
        }
        // SAFETY: Both blocks have as many bytes. The new one was free, so they do not overlap. The old one is not used
        // any more.
        unsafe {
            block.copy_from_nonoverlapping(ptr, old.size().min(new.size()));
            self.free_moved(ptr, old_len);
        }
        Some(block)
    }

    /// Puts a block back on the list that it was taken from.
    #[cold]
    #[inline(never)]
    fn put_back(&mut self, block: NonNull<u8>, len: usize) {
        // SAFETY: It was on that list, and nobody has been given it. The lists hold no more than before.
        unsafe { self.push(block, len) };
    }
}
