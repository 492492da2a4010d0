//! The magazines of one size in a slot.

use core::mem;
use core::ptr::NonNull;

use talloc_core::Batch;

/// Two magazines of blocks of one size (Bonwick & Adams 2001).
///
/// Blocks come from, and go to, the *loaded* magazine. When it is empty or full, it is exchanged with the *previous*
/// magazine. A program that allocates and frees a few blocks alternately thus never needs a third magazine.
///
/// A rack does not straddle cache lines.
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

    /// Puts a block into the loaded magazine, unless it has `capacity` blocks. Returns whether there was room.
    ///
    /// # Safety
    ///
    /// If there is room, the contract of [`Batch::push`] holds.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, block: NonNull<u8>, capacity: usize) -> bool {
        let has_room = self.loaded.len() < capacity;
        if has_room {
            // SAFETY: By the contract of this function.
            unsafe { self.loaded.push(block) };
        }
        has_room
    }

    /// Loads the previous magazine instead of the loaded one.
    pub(super) const fn exchange(&mut self) {
        mem::swap(&mut self.loaded, &mut self.previous);
    }

    /// Replaces the loaded magazine, which is full and becomes the previous one, with an empty magazine. Returns the former
    /// previous magazine.
    pub(super) const fn shift(&mut self) -> Batch {
        let full = self.loaded.take();
        mem::replace(&mut self.previous, full)
    }

    /// Whether both magazines are within their capacity.
    pub(super) const fn is_within(&self, capacity: usize) -> bool {
        self.loaded.len() <= capacity && self.previous.len() <= capacity
    }
}
