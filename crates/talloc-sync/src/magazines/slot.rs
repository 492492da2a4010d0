//! What one thread, or one core, has in front of the heap.

use core::ptr::{self, NonNull};

use talloc_core::{Batch, Config, Source, Span, Talloc};

use super::budget::Budget;
use super::class::{CLASSES, Class};
use super::rack::Rack;

/// How many arenas a slot knows.
const REACHES: usize = 4;

/// How often growth is refused before another size has to make room.
const PATIENCE: u32 = 32;

/// Magazines of each size.
pub(super) struct Slot {
    /// Where blocks may lie, with pointers that are good for all of them: one that a block's owner
    /// gives back may be good for no more than the owner's bytes.
    reaches: [Reach; REACHES],
    /// Bytes that the magazines may hold, all of them together.
    pub(super) reserved: usize,
    /// How often that could not be made more, counted from one again after [`PATIENCE`] times.
    refused: u32,
    /// The size that has made room last.
    turn: Class,
    /// How many blocks the magazines of each size may have: none to begin with, and more when they
    /// turn out to be too few.
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

    /// The magazines of a size.
    #[inline(always)]
    pub(super) fn rack(&mut self, class: Class) -> &mut Rack {
        &mut self.racks[class.index()]
    }

    /// How many blocks each of these may have.
    #[inline(always)]
    pub(super) const fn capacity(&self, class: Class) -> usize {
        self.capacities[class.index()] as usize
    }

    /// Whether the magazines of a size have as many blocks as they may ever, or the slot has got what it
    /// can.
    pub(super) const fn has_grown(&self, class: Class) -> bool {
        self.refused > 0 || self.capacity(class) == class.capacity()
    }

    /// Puts a block into the loaded magazine of a size. Returns whether there was room.
    ///
    /// # Safety
    ///
    /// As for [`Batch::push`], if there is.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, class: Class, block: NonNull<u8>) -> bool {
        let capacity = self.capacity(class);
        // SAFETY: The block is given up if there is room, and has the size of the class.
        unsafe { self.rack(class).push(block, capacity) }
    }

    /// The magazines of a size, to look at.
    pub(super) fn peek(&self, class: Class) -> &Rack {
        &self.racks[class.index()]
    }

    /// A pointer that is good for all of a block, if that is in the arena that a block was last in.
    #[inline(always)]
    pub(super) fn block(&self, ptr: NonNull<u8>) -> Option<NonNull<u8>> {
        self.reaches[0].block(ptr)
    }

    /// [`block`](Self::block), in any arena of the heap.
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
        // What is no arena's is refused by the heap, when it gets there.
        self.block(ptr).unwrap_or(ptr)
    }

    /// Lets the magazines of a size have more blocks, if the heap is large enough and the slot has
    /// not got too much. Returns whether it could.
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

    /// Lets the magazines of another size have half as many blocks, if they may hold more than so many
    /// bytes. The sizes take turns, so that all that are in use come to have about as much.
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

    /// Gives all blocks of a size back to the heap.
    fn empty<C: Config, S: Source<C>>(&mut self, heap: &mut Talloc<C, S>, class: Class) {
        let rack = self.rack(class);
        for magazine in [rack.loaded.take(), rack.previous.take()] {
            free(heap, class, magazine);
        }
    }

    /// Gives all blocks back to the heap, and begins anew.
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

    /// Forgets where arenas lie: they may be released now, and their memory claimed through other pointers.
    pub(super) fn forget_arenas(&mut self) {
        self.reaches = [Reach::NOTHING; REACHES];
    }
}

/// Bytes that two magazines of so many blocks hold.
const fn reserved(class: Class, capacity: usize) -> usize {
    2 * capacity * class.bytes()
}

/// Gives blocks of a magazine back to the heap.
pub(super) fn free<C: Config, S: Source<C>>(
    heap: &mut Talloc<C, S>,
    class: Class,
    magazine: Batch,
) {
    // SAFETY: What is in a magazine has been allocated from the heap, with that size, and is not in
    // use.
    unsafe { heap.backend().free_batch(class.bytes(), magazine) }
}

/// Where blocks of an arena may lie.
#[derive(Clone, Copy)]
struct Reach {
    /// Good for all of it; null if that is nothing.
    start: *mut u8,
    bytes: usize,
}

// SAFETY: It is not followed here; who does answers for that.
unsafe impl Send for Reach {}

impl Reach {
    const NOTHING: Self = Self { start: ptr::null_mut(), bytes: 0 };

    fn of(span: Span) -> Self {
        match span.get_base_ptr() {
            Some(start) => Self { start, bytes: span.size() },
            None => Self::NOTHING,
        }
    }

    /// A pointer that is good for all of a block, if that lies here.
    #[inline(always)]
    fn block(self, ptr: NonNull<u8>) -> Option<NonNull<u8>> {
        let offset = ptr.addr().get().wrapping_sub(self.start.addr());
        // SAFETY: It has the address of a pointer that is not null.
        let block = unsafe { NonNull::new_unchecked(self.start.wrapping_add(offset)) };
        (offset < self.bytes).then_some(block)
    }
}
