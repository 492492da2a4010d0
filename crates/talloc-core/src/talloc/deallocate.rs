//! Freeing: to a quick list, or to the arena, which coalesces the block.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Talloc;
use crate::arena::Arena;
use crate::config::{Config, Level};
use crate::granule::GRANULE;
use crate::misuse::Call;
use crate::quick::{Lists, with_provenance_of_all};
use crate::source::Source;

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Frees a block.
    ///
    /// Takes constant time, however many arenas there are.
    ///
    /// # Panics
    ///
    /// If the heap has several arenas, and `ptr` points into none of them. By default, also if the heap is
    /// [`Checked`](crate::Checked), and `ptr` is not a block with this layout.
    ///
    /// # Safety
    ///
    /// `ptr` is a block of this heap, allocated or last reallocated with `layout`, and is not used
    /// any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::alloc::Layout;
    /// use talloc_core::{Span, Talloc};
    ///
    /// let mut memory = [0_u8; 10_000];
    /// let mut heap = Talloc::new();
    /// let layout = Layout::new::<[u64; 5]>();
    /// // SAFETY: The memory is the heap's until neither is used any more, and the block is freed once, with its layout.
    /// unsafe {
    ///     heap.init(Span::from(&mut memory));
    ///     let block = heap.malloc(layout)?;
    ///     assert_eq!(heap.inspect().used_bytes(), 40);
    ///     heap.free(block, layout);
    /// }
    /// assert_eq!(heap.inspect().used_bytes(), 0);
    /// # Ok::<(), talloc_core::AllocError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub unsafe fn free(&mut self, ptr: NonNull<u8>, layout: Layout) {
        if !C::CHECKED {
            // SAFETY: `ptr` is a block of this heap with `layout`, and is not used any more, by the contract of this
            // function.
            unsafe { self.free_known(ptr, layout) }
        } else if !self.knows_near(ptr, layout) {
            // SAFETY: `ptr` is a block of this heap with `layout`, and is not used any more, by the contract of this
            // function.
            unsafe { self.free_checked(ptr, layout) }
        } else if !C::HARDENED {
            // SAFETY: The heap knows the block, whose size has a list. The caller gives it up.
            unsafe { self.cache(ptr, Arena::<C>::block_len(layout.size())) }
        } else {
            // SAFETY: The heap knows the block, which the caller gives up.
            unsafe { self.retire(ptr, Arena::<C>::block_len(layout.size())) };
            self.settle();
        }
    }

    /// Frees a block, if the heap knows it, or reports what is wrong.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free).
    #[inline(never)]
    #[track_caller]
    unsafe fn free_checked(&mut self, ptr: NonNull<u8>, layout: Layout) {
        if self.knows(Call::Free, ptr, layout) {
            // SAFETY: The heap knows the block, which the caller gives up.
            unsafe { self.free_known(ptr, layout) };
            self.settle();
        } else {
            self.report(Call::Free, ptr, layout);
        }
    }

    /// [`free`](Self::free), of a block that the heap knows.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free).
    #[inline]
    pub(crate) unsafe fn free_known(&mut self, ptr: NonNull<u8>, layout: Layout) {
        let len = Arena::<C>::block_len(layout.size());
        if C::HARDENED {
            // SAFETY: It is a block of `len` granules, which the caller gives up.
            unsafe { self.retire(ptr, len) }
        } else if len < self.quick.classes() {
            // SAFETY: It is a block of `len` granules, which have a list. The caller gives it up.
            unsafe { self.cache(ptr, len) }
        } else if len < C::Quick::CLASSES {
            // SAFETY: It is a block of `len` granules, which the caller gives up.
            unsafe { self.free_uncached(ptr, len) }
        } else {
            // SAFETY: The block is `len` granules, which the caller gives up.
            unsafe { self.release_or_send(ptr, len) };
            self.tend();
        }
    }

    /// Frees a block whose size has a list, but is not cached while memory is short.
    ///
    /// # Safety
    ///
    /// It is a block of `len` granules that is not used any more.
    #[inline(never)]
    unsafe fn free_uncached(&mut self, ptr: NonNull<u8>, len: usize) {
        // SAFETY: The block is `len` granules, which the caller gives up.
        unsafe { self.release_or_send(ptr, len) };
        self.note_uncached(len);
        self.tend();
    }

    /// Gives a block back to its arena, or to the heap that it belongs to.
    ///
    /// # Safety
    ///
    /// It is a block of `len` granules that nobody uses.
    #[inline(always)]
    unsafe fn release_or_send(&mut self, ptr: NonNull<u8>, len: usize) {
        if self.is_stray(ptr) {
            let block = with_provenance_of_all(C::Quick::whole(), ptr);
            // SAFETY: It is the same block, by a pointer that is valid for all of it.
            unsafe { self.quick.send(block, len) };
        } else {
            // SAFETY: It is a block of this heap, of `len` granules that nobody uses.
            unsafe { self.release_own(ptr, len) };
        }
    }

    /// Gives a block back to its slab or its arena.
    ///
    /// # Safety
    ///
    /// It is a block of this heap, of `len` granules that nobody uses.
    #[inline(always)]
    pub(super) unsafe fn release_own(&mut self, ptr: NonNull<u8>, len: usize) {
        // SAFETY: It is a block of this heap, of `len` granules that nobody uses.
        unsafe {
            if self.free_to_slab(ptr, len).is_none() {
                self.forget(ptr, len);
                self.release(ptr, len);
            }
        }
    }
}

impl<C: Config, S: Source<C>> Talloc<C, S> {
    /// Puts a block on its quick list.
    ///
    /// # Safety
    ///
    /// It is a block of `len` granules, which have a list, and is not used any more.
    #[inline(always)]
    pub(super) unsafe fn cache(&mut self, ptr: NonNull<u8>, len: usize) {
        if self.lists_all() {
            let block = self.whole_block(ptr);
            // SAFETY: It is the block that the caller gives up, and has a list.
            unsafe { self.put_on_list(block, len) }
        } else {
            // SAFETY: The same conditions hold.
            unsafe { self.cache_among(ptr, len) }
        }
    }

    /// [`cache`](Self::cache), in a heap of several arenas: a block of another kind than the lists hold is released.
    /// It is called last, so the usual path saves no registers for it.
    ///
    /// # Safety
    ///
    /// As for [`cache`](Self::cache).
    #[cold]
    #[inline(never)]
    unsafe fn cache_among(&mut self, ptr: NonNull<u8>, len: usize) {
        // SAFETY: It is the block that the caller gives up, and has a list.
        unsafe {
            match self.listed_block(ptr) {
                Some(block) => self.put_on_list(block, len),
                None => self.free_uncached(ptr, len),
            }
        }
    }

    /// The same block, by a pointer that is valid for all of it. The lists hold [all](Self::lists_all) blocks.
    #[inline(always)]
    fn whole_block(&mut self, ptr: NonNull<u8>) -> NonNull<u8> {
        if C::Quick::HAS_PEERS {
            with_provenance_of_all(C::Quick::whole(), ptr)
        } else {
            debug_assert!(
                self.arenas.is_single(),
                "blocks of several arenas may be of several kinds"
            );
            self.arenas.arena_of(ptr).block(ptr)
        }
    }

    /// Frees a block whose contents have moved. The source is not called. If it panicked, the caller would not know
    /// that the block has moved, and would free it once more.
    ///
    /// # Safety
    ///
    /// It is a block of `len` granules that is not used any more.
    #[inline(always)]
    pub(super) unsafe fn free_moved(&mut self, ptr: NonNull<u8>, len: usize) {
        if C::HARDENED {
            // SAFETY: The block is `len` granules, which the caller gives up.
            unsafe { self.retire(ptr, len) };
        } else if len >= self.quick.classes() {
            // SAFETY: The block is `len` granules, which the caller gives up.
            unsafe { self.release_or_send(ptr, len) };
            self.note_uncached(len);
        } else if self.lists_all() {
            let block = self.whole_block(ptr);
            // SAFETY: It is the block that the caller gives up, and has a list.
            unsafe { self.cache_moved(block, len) }
        } else {
            // SAFETY: The same conditions hold.
            unsafe { self.free_moved_among(ptr, len) }
        }
    }

    /// [`free_moved`](Self::free_moved) of a block whose size has a list, in a heap of several arenas.
    ///
    /// # Safety
    ///
    /// As for [`free_moved`](Self::free_moved).
    #[cold]
    #[inline(never)]
    unsafe fn free_moved_among(&mut self, ptr: NonNull<u8>, len: usize) {
        // SAFETY: The block is `len` granules, which the caller gives up, and has a list.
        unsafe {
            match self.listed_block(ptr) {
                Some(block) => self.cache_moved(block, len),
                None => {
                    self.release_or_send(ptr, len);
                    self.note_uncached(len);
                }
            }
        }
    }

    /// [`free_moved`](Self::free_moved), of a block that is put on its list.
    ///
    /// # Safety
    ///
    /// As for [`put_on_list`](Self::put_on_list).
    #[inline(always)]
    pub(super) unsafe fn cache_moved(&mut self, block: NonNull<u8>, len: usize) {
        // SAFETY: The caller gives up the block, which has a list.
        if unsafe { self.push(block, len) } {
            self.make_room(len);
        }
    }

    /// [`cache`](Self::cache), with a pointer that is valid for all of the block.
    ///
    /// # Safety
    ///
    /// As for [`cache`](Self::cache).
    #[inline(always)]
    pub(super) unsafe fn put_on_list(&mut self, block: NonNull<u8>, len: usize) {
        // SAFETY: The caller gives up the block, which has a list.
        if unsafe { self.push(block, len) } {
            self.overflow(len);
        }
    }

    /// Puts a block on its quick list. Returns whether the lists now hold too much.
    ///
    /// # Safety
    ///
    /// As for [`put_on_list`](Self::put_on_list).
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, block: NonNull<u8>, len: usize) -> bool {
        debug_assert!(
            len < C::Quick::CLASSES && len == C::Quick::rounded(len),
            "I9: it has a list"
        );
        if C::CHECKED {
            let arena = self.arenas.arena_of(block);
            arena.set_aside(arena.granule(block));
        }
        // SAFETY: The caller gives up the block, which has a list.
        unsafe { self.quick.push(block, len) }
    }

    /// Gives a block back to its arena. Returns the granules of the free chunk that it became a part of.
    ///
    /// # Safety
    ///
    /// It is a block of `len` granules that is not used any more.
    #[cfg_attr(not(small), inline(never))]
    pub(super) unsafe fn release(&mut self, block: NonNull<u8>, len: usize) -> usize {
        debug_assert!(block.addr().get() % GRANULE == 0 && len > 0, "a block is whole granules");
        if !self.arenas.is_single() {
            // SAFETY: The same conditions hold.
            return unsafe { self.release_among(block, len) };
        }
        let arena = &mut self.arenas.first;
        let at = arena.granule(block);
        // SAFETY: The block is used granules of the arena, which the caller gives up.
        let free = unsafe { arena.release(at, len) };
        debug_assert!(free >= len, "the granules are part of what is free now");
        self.arenas.count_freed(len * GRANULE);
        free
    }

    /// [`release`](Self::release), in a heap of several arenas.
    ///
    /// # Safety
    ///
    /// As for [`release`](Self::release).
    #[cold]
    #[inline(never)]
    unsafe fn release_among(&mut self, block: NonNull<u8>, len: usize) -> usize {
        let place = self.arenas.place_of(block);
        let arena = self.arenas.arena_at(place);
        let at = arena.granule(block);
        // SAFETY: The block is used granules of the arena, which the caller gives up.
        let free = unsafe { arena.release(at, len) };
        debug_assert!(free >= len, "the granules are part of what is free now");
        self.arenas.count_freed(len * GRANULE);
        self.arenas.note_freed(place);
        self.arenas.heed(place);
        free
    }

    /// Removes the marks of a block, in a checked heap.
    #[inline(always)]
    pub(super) fn forget(&mut self, block: NonNull<u8>, len: usize) {
        if C::CHECKED {
            let arena = self.arenas.arena_of(block);
            arena.take_back(arena.granule(block), len);
        }
    }
}
