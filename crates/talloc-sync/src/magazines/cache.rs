//! Allocation and deallocation: by the slot, the depot, and the heap.

use core::alloc::Layout;
use core::ptr::NonNull;

use lock_api::RawMutex;
use talloc_core::Level;
use talloc_core::{AllocError, Batch, Config, SharedHeap, Source, shared};

use super::class::Class;
use super::slot::{self, Slot};
use super::try_lock::Held;
use super::{Caller, TallocMagazines};

impl<R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize>
    TallocMagazines<R, C, S, W, N>
{
    /// Allocates a block of a cached size, unless there is no room or all slots are in use.
    #[inline(always)]
    pub(super) fn take(&self, class: Class) -> Option<NonNull<u8>> {
        self.take_from(&mut *self.slot()?, class)
    }

    /// Frees a block of a cached size. Returns false if all slots are in use.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::free`].
    #[inline(always)]
    pub(super) unsafe fn put(&self, class: Class, ptr: NonNull<u8>) -> bool {
        let Some(mut slot) = self.slot() else { return false };
        // SAFETY: The caller gives up a block of this heap, with a size of the class.
        unsafe { self.put_into(&mut slot, class, ptr) };
        true
    }

    #[inline(always)]
    fn take_from(&self, slot: &mut Slot, class: Class) -> Option<NonNull<u8>> {
        match slot.rack(class).pop() {
            Some(block) => Some(block),
            None => self.refill(slot, class),
        }
    }

    /// # Safety
    ///
    /// As for [`SharedHeap::free`].
    #[inline(always)]
    unsafe fn put_into(&self, slot: &mut Slot, class: Class, ptr: NonNull<u8>) {
        if let Some(block) = slot.block(ptr) {
            // SAFETY: The caller gives up the block.
            if unsafe { slot.push(class, block) } {
                return;
            }
        }
        // SAFETY: The caller gives up the block, which has the size of the class.
        unsafe { self.make_room(slot, class, ptr) };
    }

    /// Allocates a block that no slot can serve, because its size is not cached or all slots are in use.
    ///
    /// Also returns the number of bytes at its start that are not known to be zero.
    #[inline(never)]
    pub(super) fn allocate_in_heap(
        &self,
        layout: Layout,
    ) -> Result<(NonNull<u8>, usize), AllocError> {
        if !C::CHECKED {
            if let Ok(done) = self.with(|heap| heap.backend().malloc_from_arenas(layout)) {
                return Ok(done);
            }
            self.flush();
        }
        // SAFETY: `malloc_dirty` has no preconditions.
        unsafe { self.with_reports(|heap| heap.backend().malloc_dirty(layout)) }
    }

    /// Frees a block that no slot can take, because its size is not cached or all slots are in use.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::free`].
    #[inline(never)]
    pub(super) unsafe fn free_in_heap(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: The block is the heap's, has this layout and is given up, by the contract of `SharedHeap::free`.
        unsafe { shared::free_in_heap(self, ptr, layout) }
    }

    /// Takes a slot that is not in use: the caller's or another one.
    #[inline(always)]
    fn slot(&self) -> Option<Held<'_, Slot>> {
        let number = W::number();
        match self.slots[number & (N - 1)].0.try_hold() {
            Some(slot) => Some(slot),
            None => self.next_slot(number),
        }
    }

    /// Takes a slot that is not in use, other than the one with this number.
    #[cold]
    #[inline(never)]
    fn next_slot(&self, number: usize) -> Option<Held<'_, Slot>> {
        (1..N).find_map(|step| self.slots[number.wrapping_add(step) & (N - 1)].0.try_hold())
    }

    /// Allocates a block when the slot's loaded magazine is empty.
    #[cold]
    #[inline(never)]
    fn refill(&self, slot: &mut Slot, class: Class) -> Option<NonNull<u8>> {
        let rack = slot.rack(class);
        rack.exchange();
        match rack.pop() {
            Some(block) => Some(block),
            None => self.fetch(slot, class),
        }
    }

    /// Allocates a block when both magazines of the slot are empty.
    #[inline(never)]
    fn fetch(&self, slot: &mut Slot, class: Class) -> Option<NonNull<u8>> {
        if slot.has_grown(class) {
            if let Some(magazine) = self.depot.take(class, slot.capacity(class)) {
                let rack = slot.rack(class);
                rack.loaded = magazine;
                return rack.pop();
            }
        }
        self.with(|heap| {
            self.budget.refresh(heap, N, &self.depot);
            slot.grow(&self.budget, heap, class);
            let capacity = slot.capacity(class);
            // SAFETY: The heap and its memory live as long as the slot, and the slot owns the blocks.
            let blocks = unsafe { heap.backend().malloc_batch(class.bytes(), capacity.max(1)) };
            let rack = slot.rack(class);
            debug_assert!(rack.loaded.is_empty() && rack.previous.is_empty());
            if blocks.len() == class.capacity() {
                // This size is in demand: fetch another magazine in advance.
                // SAFETY: As for the first magazine.
                rack.previous = unsafe { heap.backend().malloc_batch(class.bytes(), capacity) };
            }
            rack.loaded = blocks;
            rack.pop()
        })
    }

    /// Frees a block when the slot's loaded magazine is full, or when the slot does not know the block's arena.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::free`].
    #[cold]
    #[inline(never)]
    unsafe fn make_room(&self, slot: &mut Slot, class: Class, ptr: NonNull<u8>) {
        if let Some(block) = slot.block(ptr) {
            let rack = slot.rack(class);
            if rack.previous.is_empty() {
                rack.exchange();
                // SAFETY: The caller gives up the block.
                if unsafe { slot.push(class, block) } {
                    return;
                }
            }
        }
        // SAFETY: The caller gives up the block, which has the size of the class.
        unsafe { self.send(slot, class, ptr) };
    }

    /// Frees a block when the slot has no room, or does not know the block's arena.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::free`].
    #[inline(never)]
    unsafe fn send(&self, slot: &mut Slot, class: Class, ptr: NonNull<u8>) {
        let block = match slot.block(ptr) {
            Some(block) => block,
            None => self.with(|heap| slot.find(heap, ptr)),
        };
        let blocks = slot.rack(class).loaded.len();
        if blocks > 0 && blocks == slot.capacity(class) && slot.has_grown(class) {
            let magazine = slot.rack(class).shift();
            if let Err(magazine) = self.depot.put(class, magazine) {
                self.with(|heap| slot::free(heap, class, magazine));
            }
        } else if blocks == slot.capacity(class) {
            self.with(|heap| {
                self.budget.refresh(heap, N, &self.depot);
                if !slot.grow(&self.budget, heap, class) {
                    slot::free(heap, class, slot.rack(class).shift());
                }
            });
        }
        // SAFETY: The caller gives up the block.
        if !unsafe { slot.push(class, block) } {
            // The budget allows no caching of this size.
            let mut magazine = Batch::EMPTY;
            // SAFETY: The slot has not taken the block, which the caller gives up.
            unsafe { magazine.push(block) };
            self.with(|heap| slot::free(heap, class, magazine));
        }
    }
}
