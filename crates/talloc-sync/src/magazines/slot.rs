//! A slot: the cache of one thread or one core.

use core::ptr::{self, NonNull};

use talloc_core::{Batch, Config, Source, Span, Talloc};

use super::budget::Budget;
use super::class::{CLASSES, Class};
use super::rack::Rack;

/// The number of arenas that a slot knows.
const REACHES: usize = 4;

/// The number of times that growth is refused before another size has to make room.
const PATIENCE: u32 = 32;

/// Magazines of each size.
pub(super) struct Slot {
    /// The ranges of the arenas that the slot knows, with pointers that have provenance over the whole range. A pointer
    /// from the owner of a block may have provenance only over the requested bytes.
    reaches: [Reach; REACHES],
    /// The bytes that all magazines together may hold.
    pub(super) reserved: usize,
    /// How often `reserved` could not grow. It restarts after [`PATIENCE`] times.
    refused: u32,
    /// The size that has made room last.
    turn: Class,
    /// The capacity of the magazines of each size, in blocks. It starts at zero, and grows when it turns out to be too
    /// small.
    capacities: [u8; CLASSES],
    racks: [Rack; CLASSES],
}

impl Slot {
    pub(super) const EMPTY: Self = Self {
        reaches: [Reach::NOTHING; REACHES],
        reserved: 0,
        refused: 0,
        turn: Class::NONE,
        capacities: [0; CLASSES],
        racks: [const { Rack::EMPTY }; CLASSES],
    };

    /// Returns the magazines of a size.
    #[inline(always)]
    pub(super) fn rack(&mut self, class: Class) -> &mut Rack {
        &mut self.racks[class.index()]
    }

    /// Returns the capacity of the magazines of a size, in blocks.
    #[inline(always)]
    pub(super) const fn capacity(&self, class: Class) -> usize {
        self.capacities[class.index()] as usize
    }

    /// Whether the magazines of a size, or the slot, have reached their largest capacity.
    pub(super) const fn has_grown(&self, class: Class) -> bool {
        self.refused > 0 || self.capacity(class) == class.capacity()
    }

    /// Puts a block into the loaded magazine of a size. Returns whether there was room.
    ///
    /// # Safety
    ///
    /// If there is room, the contract of [`Batch::push`] holds.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, class: Class, block: NonNull<u8>) -> bool {
        let capacity = self.capacity(class);
        // SAFETY: By the contract of this function.
        unsafe { self.rack(class).push(block, capacity) }
    }

    /// Returns a shared reference to the magazines of a size.
    pub(super) fn peek(&self, class: Class) -> &Rack {
        &self.racks[class.index()]
    }

    /// Returns a pointer with provenance over the whole block, if the block is in the arena of the last block.
    #[inline(always)]
    pub(super) fn block(&self, ptr: NonNull<u8>) -> Option<NonNull<u8>> {
        self.reaches[0].block(ptr)
    }

    /// Does the same as [`block`](Self::block), for blocks in any arena of the heap.
    #[cold]
    pub(super) fn find<C: Config, S>(
        &mut self,
        heap: &Talloc<C, S>,
        ptr: NonNull<u8>,
    ) -> NonNull<u8> {
        let known = self.reaches.iter().position(|reach| reach.block(ptr).is_some());
        let place = known.unwrap_or(REACHES - 1);
        if known.is_none() {
            self.reaches[place] = Reach::of(heap.inspect().reach_of(ptr.addr().get()));
        }
        self.reaches[..=place].rotate_right(1);
        // If the pointer lies in no arena, the heap refuses it later.
        self.block(ptr).unwrap_or(ptr)
    }

    /// Raises the capacity of the magazines of a size, if the limits of the heap and the slot allow it. Returns whether
    /// that succeeded.
    pub(super) fn grow<C: Config, S: Source<C>>(
        &mut self,
        budget: &Budget,
        heap: &mut Talloc<C, S>,
        class: Class,
    ) -> bool {
        let old = self.capacity(class);
        let new = (2 * old).clamp(1, class.capacity());
        let bytes = reserved(class, new) - reserved(class, old);
        if bytes == 0 {
            return false;
        }
        let granted = budget.reserve(self.reserved, bytes);
        if granted {
            self.capacities[class.index()] = new as u8;
            self.reserved += bytes;
        } else {
            self.refused = self.refused % PATIENCE + 1;
            if self.refused == PATIENCE {
                self.shrink_another(budget, heap, reserved(class, new));
            }
        }
        granted
    }

    /// Halves the capacity of the magazines of another size, if they may hold more than a given number of bytes. The sizes
    /// take turns, so all sizes in use converge to about the same number of bytes.
    fn shrink_another<C: Config, S: Source<C>>(
        &mut self,
        budget: &Budget,
        heap: &mut Talloc<C, S>,
        bytes: usize,
    ) {
        let is_richer = |class: &Class| reserved(*class, self.capacity(*class)) > bytes;
        let Some(class) = Class::all_from(self.turn).find(is_richer) else { return };
        self.turn = class;
        let old = self.capacity(class);
        self.empty(heap, class);
        self.capacities[class.index()] = (old / 2) as u8;
        let bytes = reserved(class, old) - reserved(class, old / 2);
        budget.give_back(bytes);
        self.reserved -= bytes;
    }

    /// Returns all blocks of a size to the heap.
    fn empty<C: Config, S: Source<C>>(&mut self, heap: &mut Talloc<C, S>, class: Class) {
        let rack = self.rack(class);
        for magazine in [rack.loaded.take(), rack.previous.take()] {
            free(heap, class, magazine);
        }
    }

    /// Returns all blocks to the heap, and resets the slot.
    pub(super) fn clear<C: Config, S: Source<C>>(
        &mut self,
        budget: &Budget,
        heap: &mut Talloc<C, S>,
    ) {
        if self.reserved > 0 {
            Class::all().for_each(|class| self.empty(heap, class));
            self.capacities = [0; CLASSES];
            budget.give_back(self.reserved);
        }
        (self.reserved, self.refused, self.turn) = (0, 0, Class::NONE);
        self.forget_arenas();
    }

    /// Forgets all arenas. They may be released now, and their memory may be claimed through other pointers.
    pub(super) fn forget_arenas(&mut self) {
        self.reaches = [Reach::NOTHING; REACHES];
    }
}

/// Returns the bytes of two magazines with `capacity` blocks each.
const fn reserved(class: Class, capacity: usize) -> usize {
    2 * capacity * class.bytes()
}

/// Returns the blocks of a magazine to the heap.
pub(super) fn free<C: Config, S: Source<C>>(
    heap: &mut Talloc<C, S>,
    class: Class,
    magazine: Batch,
) {
    // SAFETY: The blocks of a magazine were allocated from the heap with that size, and nobody uses them.
    unsafe { heap.backend().free_batch(class.bytes(), magazine) }
}

/// The range of an arena in which blocks may lie.
#[derive(Clone, Copy)]
struct Reach {
    /// A pointer with provenance over the whole range; null if the range is empty.
    start: *mut u8,
    bytes: usize,
}

// SAFETY: A `Reach` never dereferences its pointer.
unsafe impl Send for Reach {}

impl Reach {
    const NOTHING: Self = Self { start: ptr::null_mut(), bytes: 0 };

    fn of(span: Span) -> Self {
        match span.get_base_ptr() {
            Some(start) => Self { start, bytes: span.size() },
            None => Self::NOTHING,
        }
    }

    /// Returns a pointer with provenance over the whole block, if the block lies in this range.
    #[inline(always)]
    fn block(self, ptr: NonNull<u8>) -> Option<NonNull<u8>> {
        let offset = ptr.addr().get().wrapping_sub(self.start.addr());
        // SAFETY: The result has the address of `ptr`, which is not null.
        let block = unsafe { NonNull::new_unchecked(self.start.wrapping_add(offset)) };
        (offset < self.bytes).then_some(block)
    }
}
