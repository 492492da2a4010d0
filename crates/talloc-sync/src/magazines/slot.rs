//! What one thread, or one core, has in front of the heap.

use core::ptr::{self, NonNull};

use talloc_core::{Batch, Config, Span, Talloc};

use super::class::{CLASSES, Class};
use super::ledger::Ledger;
use super::rack::Rack;

/// How many arenas a slot knows.
const REACHES: usize = 4;

/// How often growth is refused before a slot starts anew.
const PATIENCE: u32 = 64;

/// Magazines of each size.
pub(super) struct Slot {
    /// Where blocks may lie, with pointers that are good for all of them: one that a block's owner
    /// gives back may be good for no more than the owner's bytes.
    reaches: [Reach; REACHES],
    /// Bytes that the magazines may hold, all of them together.
    pub(super) reserved: usize,
    /// How often that could not be made more.
    refused: u32,
    racks: [Rack; CLASSES],
}

impl Slot {
    pub(super) const EMPTY: Self = Self {
        reaches: [Reach::NOTHING; REACHES],
        reserved: 0,
        refused: 0,
        racks: [const { Rack::EMPTY }; CLASSES],
    };

    /// The magazines of a size.
    #[inline(always)]
    pub(super) fn rack(&mut self, class: Class) -> &mut Rack {
        &mut self.racks[class.index()]
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
            self.reaches[place] = Reach::of(heap.reach_of(ptr.addr().get()));
        }
        self.reaches[..=place].rotate_right(1);
        // What is no arena's is refused by the heap, when it gets there.
        self.block(ptr).unwrap_or(ptr)
    }

    /// Lets the magazines of a size have more blocks, if the heap is large enough and the slot has
    /// not got too much. Returns whether it could.
    pub(super) fn grow<C: Config, S>(
        &mut self,
        ledger: &Ledger,
        heap: &mut Talloc<C, S>,
        class: Class,
    ) -> bool {
        let rack = &mut self.racks[class.index()];
        let old = rack.capacity();
        let new = (2 * old).clamp(1, class.capacity());
        let bytes = 2 * (new - old) * class.bytes();
        if bytes > 0 && ledger.reserve(self.reserved, bytes) {
            rack.capacity = new as u32;
            self.reserved += bytes;
            return true;
        }
        self.refused += u32::from(bytes > 0);
        if self.refused >= PATIENCE {
            self.clear(ledger, heap);
        }
        false
    }

    /// Gives all blocks back to the heap, and begins anew.
    pub(super) fn clear<C: Config, S>(&mut self, ledger: &Ledger, heap: &mut Talloc<C, S>) {
        if self.reserved > 0 {
            for class in Class::all() {
                let rack = self.rack(class);
                let magazines = [rack.loaded.take(), rack.previous.take()];
                rack.capacity = 0;
                for magazine in magazines {
                    free(heap, class, magazine);
                }
            }
            ledger.give_back(self.reserved);
        }
        (self.reserved, self.refused) = (0, 0);
        self.reaches = [Reach::NOTHING; REACHES];
    }
}

/// Gives blocks of a magazine back to the heap.
pub(super) fn free<C: Config, S>(heap: &mut Talloc<C, S>, class: Class, magazine: Batch) {
    // SAFETY: What is in a magazine has been allocated from the heap, with that size, and is not in
    // use.
    unsafe { heap.free_batch(class.bytes(), magazine) }
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
