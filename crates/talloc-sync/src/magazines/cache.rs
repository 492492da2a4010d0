//! Allocating and freeing: from and to the slot, the depot, and the heap.

use core::alloc::Layout;
use core::ptr::NonNull;

use lock_api::RawMutex;
use talloc_core::{AllocError, Config, SharedHeap, Source, shared};

use super::class::Class;
use super::slot::{self, Slot};
use super::try_lock::Held;
use super::{Pick, TallocMagazines};

impl<R: RawMutex, C: Config, S: Source<C>, P: Pick, const N: usize> TallocMagazines<R, C, S, P, N> {
    /// Allocates a block of a size that is cached, unless there is no room or all slots are in use.
    #[inline(always)]
    pub(super) fn take(&self, class: Class) -> Option<NonNull<u8>> {
        let mut slot = self.slot()?;
        match slot.rack(class).pop() {
            Some(block) => Some(block),
            None => self.refill(slot, class),
        }
    }

    /// Frees a block of a size that is cached. Returns whether it could: it cannot if all slots are
    /// in use.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::free`].
    #[inline(always)]
    pub(super) unsafe fn put(&self, class: Class, ptr: NonNull<u8>) -> bool {
        let Some(mut slot) = self.slot() else { return false };
        if let Some(block) = slot.block(ptr) {
            // SAFETY: The caller gives up the block.
            if unsafe { slot.rack(class).push(block) } {
                return true;
            }
        }
        // SAFETY: As the caller says.
        unsafe { self.make_room(slot, class, ptr) };
        true
    }

    /// Allocates a block of a size that is not cached, or that no slot could give.
    ///
    /// Also tells how many of its bytes are not known to be zero.
    #[inline(never)]
    pub(super) fn allocate_in_heap(
        &self,
        layout: Layout,
    ) -> Result<(NonNull<u8>, usize), AllocError> {
        if !C::CHECKED {
            if let Ok(done) = self.with(|heap| heap.malloc_from_arenas(layout)) {
                return Ok(done);
            }
            self.flush();
        }
        // SAFETY: There is nothing to be kept to.
        unsafe { self.with(|heap| heap.malloc_dirty(layout)) }
    }

    /// Frees a block of a size that is not cached, or that no slot could take.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::free`].
    #[inline(never)]
    pub(super) unsafe fn free_in_heap(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { shared::free_in_heap(self, ptr, layout) }
    }

    /// The caller's slot, or another one if that is in use.
    #[inline(always)]
    fn slot(&self) -> Option<Held<'_, Slot>> {
        let number = P::pick();
        match self.slots[number & (N - 1)].0.try_hold() {
            Some(slot) => Some(slot),
            None => self.other_slot(number),
        }
    }

    /// A slot that is not in use, other than that of this number.
    #[cold]
    #[inline(never)]
    fn other_slot(&self, number: usize) -> Option<Held<'_, Slot>> {
        (1..N).find_map(|step| {
            let number = number.wrapping_add(step) & (N - 1);
            let slot = self.slots[number].0.try_hold()?;
            P::moved(number);
            Some(slot)
        })
    }

    /// Allocates a block of which the slot's loaded magazine has none.
    #[cold]
    #[inline(never)]
    fn refill(&self, mut slot: Held<'_, Slot>, class: Class) -> Option<NonNull<u8>> {
        let rack = slot.rack(class);
        rack.exchange();
        if let Some(block) = rack.pop() {
            return Some(block);
        }
        if rack.capacity() == class.capacity() {
            if let Some(magazine) = self.depot.take(class) {
                rack.loaded = magazine;
                return rack.pop();
            }
        }
        self.with(|heap| {
            self.ledger.refresh(heap, N, &self.depot);
            slot.grow(&self.ledger, heap, class);
            let rack = slot.rack(class);
            rack.loaded = heap.malloc_batch(class.bytes(), rack.capacity().max(1));
            rack.pop()
        })
    }

    /// Frees a block for which the slot's loaded magazine has no room, or whose arena the slot does
    /// not know.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::free`].
    #[cold]
    #[inline(never)]
    unsafe fn make_room(&self, mut slot: Held<'_, Slot>, class: Class, ptr: NonNull<u8>) {
        let block = match slot.block(ptr) {
            Some(block) => block,
            None => self.with(|heap| slot.find(heap, ptr)),
        };
        let rack = slot.rack(class);
        if rack.capacity() > 0 && rack.previous.is_empty() {
            rack.exchange();
        } else if rack.loaded.len() == class.capacity() {
            if let Err(magazine) = self.depot.put(class, rack.shift()) {
                self.with(|heap| slot::free(heap, class, magazine));
            }
        } else if rack.loaded.len() == rack.capacity() {
            self.with(|heap| {
                self.ledger.refresh(heap, N, &self.depot);
                if !slot.grow(&self.ledger, heap, class) {
                    slot::free(heap, class, slot.rack(class).shift());
                }
            });
        }
        // SAFETY: The caller gives up the block.
        if !unsafe { slot.rack(class).push(block) } {
            // Nothing may be cached.
            let mut magazine = talloc_core::Batch::EMPTY;
            // SAFETY: As above.
            unsafe { magazine.push(block) };
            self.with(|heap| slot::free(heap, class, magazine));
        }
    }
}

impl<R: RawMutex, C: Config, S: Source<C>, P: Pick, const N: usize> SharedHeap
    for TallocMagazines<R, C, S, P, N>
{
    type Config = C;
    type Source = S;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut talloc_core::Talloc<C, S>) -> T) -> T {
        f(&mut self.lock())
    }

    #[inline(always)]
    fn malloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if let Some(class) = Class::of_new::<C>(layout) {
            if let Some(block) = self.take(class) {
                return Ok(block);
            }
        }
        self.allocate_in_heap(layout).map(|(block, _)| block)
    }

    #[inline(always)]
    fn malloc_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        if let Some(class) = Class::of_new::<C>(layout) {
            if let Some(block) = self.take(class) {
                return Ok((block, layout.size()));
            }
        }
        self.allocate_in_heap(layout)
    }

    #[inline(always)]
    unsafe fn free(&self, ptr: NonNull<u8>, layout: Layout) {
        if let Some(class) = Class::of::<C>(layout) {
            // SAFETY: As the caller says.
            if unsafe { self.put(class, ptr) } {
                return;
            }
        }
        // SAFETY: As the caller says.
        unsafe { self.free_in_heap(ptr, layout) }
    }

    #[inline(always)]
    fn rather_moves(&self, old: Layout, new: Layout) -> bool {
        let is_cached = |layout: Layout| layout.size() > 0 && Class::of_new::<C>(layout).is_some();
        is_cached(old) && is_cached(new)
    }
}
