//! Maps of the heaps of all threads.

use core::cell::RefCell;
use core::sync::atomic::Ordering::Relaxed;

use talloc_core::Chunk;

use super::shard::Heap;
use super::{Heaps, Host, SHARDS};

/// As for [statistics](Heaps::statistics), each heap is read between two operations of its thread. Meanwhile the thread
/// can use its cache, but not its arenas, for a time in proportion to the free chunks.
impl<H: Host> Heaps<H> {
    /// Returns the numbers of the heaps that a thread owns or has owned, without those that were lost in a fork.
    pub fn numbers(&'static self) -> impl Iterator<Item = usize> + 'static {
        let all = (0..SHARDS).take_while(|number| *number < self.used.load(Relaxed));
        all.filter(|number| self.shards[*number].entry.is_in_use())
    }

    /// Lists the chunks of a heap until `room` is full, and returns the number of all chunks. Returns
    /// `None` if the heap cannot be read now.
    ///
    /// The chunks are those of [`Inspect::memory_map`](talloc_core::Inspect::memory_map). Cached blocks are listed only for
    /// the caller's heap, the heap of guests, and heaps that no thread owns. They may be blocks of other heaps.
    ///
    /// # Panics
    ///
    /// If `number` is not less than [`SHARDS`].
    pub fn memory_map(&'static self, number: usize, room: &mut [Chunk]) -> Option<usize> {
        let room = RefCell::new(room);
        let whole =
            |heap: &Heap<H>| Chunk::list(heap.inspect().memory_map(), &mut room.borrow_mut());
        let part = |heap: *const Heap<H>| {
            // SAFETY: `look_in` keeps the owner out of the arenas until the chunks are listed. The owner accesses its
            // lists through raw pointers only.
            let chunks = unsafe { Heap::<H>::memory_map_of(heap) };
            Chunk::list(chunks, &mut room.borrow_mut())
        };
        self.inspect(&self.shards[number], whole, part)
    }
}
