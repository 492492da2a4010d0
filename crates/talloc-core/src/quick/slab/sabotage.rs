//! For tests: breaks slabs.

use core::ptr::NonNull;

use super::Slabs;
use super::entry::{NIL, entry, number};

/// What is made wrong in the entry of a listed slab that has a free block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Blocks(i16),
    InUse(i16),
    Len(u8),
    FreeElsewhere(isize),
}

impl Fault {
    /// # Safety
    ///
    /// The block lies in a slab.
    pub(crate) unsafe fn commit(self, whole: *mut u8, block: NonNull<u8>) {
        // SAFETY: The block lies in a slab.
        let slab = unsafe { &mut *entry(whole, number(whole, block.addr().get())) };
        match self {
            Self::Blocks(more) => slab.blocks = slab.blocks.wrapping_add_signed(more),
            Self::InUse(more) => slab.in_use = slab.in_use.wrapping_add_signed(more),
            Self::Len(more) => slab.len += more,
            Self::FreeElsewhere(bytes) => {
                slab.free =
                    slab.free.and_then(|free| NonNull::new(free.as_ptr().wrapping_offset(bytes)));
            }
        }
    }
}

impl Slabs {
    pub(crate) fn lose_list(&mut self, len: usize) {
        self.lists[len] = NIL;
    }

    pub(crate) fn move_list(&mut self, from: usize, to: usize) {
        self.lists.swap(from, to);
    }

    /// Gives the first slab of a list other links.
    pub(crate) fn set_links(&mut self, whole: *mut u8, len: usize, before: u32, after: u32) {
        // SAFETY: It is a listed slab.
        let slab = unsafe { &mut *entry(whole, self.lists[len] as usize) };
        (slab.before, slab.after) = (before, after);
    }

    pub(crate) fn miscount(&mut self) {
        self.spare.add(1);
    }
}
