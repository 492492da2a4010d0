//! Looking at slabs, and checking them.

use core::ops::Range;
use core::ptr::NonNull;

use super::entry::{NIL, entry, memory, number, supposed_memory};
use super::{SLAB_CLASSES, SLAB_LEN, Slab, Slabs};
use crate::quick::next;

impl Slabs {
    /// The slabs in a range of addresses, with their memory.
    ///
    /// # Safety
    ///
    /// The range is memory of this heap.
    pub(crate) unsafe fn within<'heap>(
        &'heap self,
        whole: *mut u8,
        range: Range<usize>,
    ) -> impl Iterator<Item = (NonNull<u8>, &'heap Slab)> + 'heap {
        let end = if range.is_empty() { 0 } else { number(whole, range.end - 1) + 1 };
        let numbers = number(whole, range.start)..end;
        numbers.filter_map(move |at| {
            // SAFETY: The table has an entry for all memory of this heap, which is borrowed.
            let slab = unsafe { &*entry(whole, at) };
            (slab.len != 0).then(|| (memory(whole, at), slab))
        })
    }

    /// Checks invariant I15 of the lists. They contain `listed` slabs, each on the list of its size, and are linked in both
    /// directions. A slab without blocks in use is alone on its list. `is_slab` returns whether memory is that of a slab.
    pub(crate) fn are_lists_sound(
        &self,
        whole: *mut u8,
        listed: usize,
        is_slab: impl Fn(NonNull<u8>) -> bool,
    ) -> bool {
        let mut found = 0;
        for (len, list) in self.lists.iter().enumerate() {
            let (mut at, mut before) = (*list, NIL);
            while at != NIL {
                if !supposed_memory(whole, at as usize).is_some_and(&is_slab) {
                    return false;
                }
                // SAFETY: It is a slab of this heap, which is borrowed.
                let slab = unsafe { &*entry(whole, at as usize) };
                found += 1;
                let is_sound = slab.is_listed()
                    && usize::from(slab.len) == len
                    && slab.before == before
                    && (slab.in_use > 0 || before == NIL && slab.after == NIL);
                if !is_sound || found > listed {
                    return false;
                }
                (before, at) = (at, slab.after);
            }
        }
        found == listed
    }
}

impl Slab {
    /// Checks invariant I15 of a slab with this memory: its numbers agree, and its free blocks are blocks, as many as it
    /// counts.
    pub(crate) fn is_sound(&self, memory: NonNull<u8>) -> bool {
        let (blocks, in_use) = (usize::from(self.blocks), usize::from(self.in_use));
        let are_counts = usize::from(self.len) < SLAB_CLASSES
            && blocks == SLAB_LEN / usize::from(self.len)
            && in_use <= blocks;
        if !are_counts {
            return false;
        }
        let (mut free, mut link) = (0, self.free);
        while let Some(block) = link {
            free += 1;
            if free > blocks || !self.is_block(memory, block) {
                return false;
            }
            // SAFETY: It is one of the slab's blocks, so it is memory of this heap, and aligned for a link.
            link = unsafe { next(block) };
        }
        free == blocks - in_use
    }
}
