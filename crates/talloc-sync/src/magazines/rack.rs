//! The magazines of one size in a slot.

use core::mem;
use core::ptr::NonNull;

use talloc_core::Batch;

/// Two magazines of blocks of one size (Bonwick & Adams 2001).
///
/// Blocks come from, and go to, the one that is *loaded*. The *previous* one is full or empty, or has
/// what was left when the two were exchanged: so a program that allocates and frees around a
/// magazine's end needs no other one.
pub(super) struct Rack {
    pub(super) loaded: Batch,
    pub(super) previous: Batch,
    /// How many blocks each magazine may have: none to begin with, and more when they turn out to be
    /// too few.
    pub(super) capacity: u32,
}

impl Rack {
    pub(super) const EMPTY: Self =
        Self { loaded: Batch::EMPTY, previous: Batch::EMPTY, capacity: 0 };

    /// How many blocks a magazine may have.
    #[inline(always)]
    pub(super) const fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Takes a block from the loaded magazine.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<NonNull<u8>> {
        self.loaded.pop()
    }

    /// Puts a block into the loaded magazine. Returns whether there was room.
    ///
    /// # Safety
    ///
    /// As for [`Batch::push`], if there is.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, block: NonNull<u8>) -> bool {
        let has_room = self.loaded.len() < self.capacity();
        if has_room {
            // SAFETY: As the caller says.
            unsafe { self.loaded.push(block) };
        }
        has_room
    }

    /// Loads the previous magazine instead of the loaded one.
    pub(super) const fn exchange(&mut self) {
        mem::swap(&mut self.loaded, &mut self.previous);
    }

    /// Loads an empty magazine instead of the loaded one, which is full, and gives the previous one.
    pub(super) const fn shift(&mut self) -> Batch {
        let full = self.loaded.take();
        mem::replace(&mut self.previous, full)
    }

    /// Whether no magazine has more blocks than it may, and may have more than `most`.
    pub(super) const fn is_within_capacity(&self, most: usize) -> bool {
        let capacity = self.capacity();
        self.loaded.len() <= capacity && self.previous.len() <= capacity && capacity <= most
    }
}
