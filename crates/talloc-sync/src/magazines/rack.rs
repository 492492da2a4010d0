//! The magazines of one size in a slot.

use core::mem;
use core::ptr::NonNull;

use talloc_core::Batch;

/// Two magazines of blocks of one size (Bonwick & Adams 2001).
///
/// Blocks come from, and go to, the one that is *loaded*. The *previous* one is full or empty, or has
/// what was left when the two were exchanged: so a program that allocates and frees around a
/// magazine's end needs no other one.
///
/// It does not straddle cache lines.
#[repr(align(32))]
pub(super) struct Rack {
    pub(super) loaded: Batch,
    pub(super) previous: Batch,
}

impl Rack {
    pub(super) const EMPTY: Self = Self { loaded: Batch::EMPTY, previous: Batch::EMPTY };

    /// Takes a block from the loaded magazine.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<NonNull<u8>> {
        self.loaded.pop()
    }

    /// Puts a block into the loaded magazine, which may have as many as `capacity`. Returns whether
    /// there was room.
    ///
    /// # Safety
    ///
    /// As for [`Batch::push`], if there is.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, block: NonNull<u8>, capacity: usize) -> bool {
        let has_room = self.loaded.len() < capacity;
        if has_room {
            // SAFETY: The block is given up, and has the size of all in the magazine.
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

    /// Whether no magazine has more blocks than it may.
    pub(super) const fn is_within(&self, capacity: usize) -> bool {
        self.loaded.len() <= capacity && self.previous.len() <= capacity
    }
}
