//! A map of a heap: a list of its chunks, in memory outside of the heap.

use core::alloc::Layout;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use talloc_sync::{Chunk, ChunkKind, Span};

use super::blocks;

/// The chunks that the first list has room for. It fills the smallest mapping.
const FIRST_ROOM: usize = super::space::UNIT / size_of::<Chunk>();

/// The most lists to try, if each time the heap has more chunks than the list has room for.
const TRIES: usize = 8;

/// A snapshot of the chunks of one heap.
///
/// It lists the chunks that [`Inspect::memory_map`](crate::inspect::Inspect::memory_map) returns. The list has a mapping
/// of its own, 24 bytes for each chunk on 64-bit machines, so it does not change the heap that it shows. The heap stays
/// in use, so the list may be out of date.
///
/// [`SystemHeap::heap_map`](crate::source::SystemHeap::heap_map) makes the map of one heap, and
/// `SystemTalloc::heap_maps` the maps of all threads' heaps.
///
/// # Examples
///
/// ```
/// use talloc_global::*;
///
/// let heap = SystemTallock::new();
/// let map = heap.heap_map().expect("there is memory for the list");
/// // Nothing has been allocated yet.
/// assert!(map.is_empty() && map.free_chunks().next().is_none());
/// ```
pub struct HeapMap {
    number: usize,
    list: List,
    len: usize,
}

impl HeapMap {
    /// Makes a list. `fill` writes as many chunks as there is room for, and returns the number of all chunks; if the room
    /// was too small, it is called again with a larger list. Returns `None` if `fill` does, if there is no memory for the
    /// list, or if the heap outgrows all of [`TRIES`] lists.
    pub(super) fn read(
        number: usize,
        mut fill: impl FnMut(&mut [Chunk]) -> Option<usize>,
    ) -> Option<Self> {
        let mut room = FIRST_ROOM;
        for _ in 0..TRIES {
            let mut list = List::with_room(room)?;
            let len = fill(&mut list)?;
            if len <= room {
                return Some(Self { number, list, len });
            }
            room = len + len / 8;
        }
        None
    }

    /// Keeps only the chunks for which `is_kept` returns true.
    #[cfg(has_threads)]
    pub(super) fn retain(&mut self, is_kept: impl Fn(&Chunk) -> bool) {
        let mut kept = 0;
        for at in 0..self.len {
            if is_kept(&self.list[at]) {
                self.list[kept] = self.list[at];
                kept += 1;
            }
        }
        self.len = kept;
    }

    /// Returns the number of the heap among the program's heaps; 0 if the program has only one.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Writes the chunks to `sink` as a snapshot, which `talloc map` draws. The heap is not locked: the sink may allocate.
    ///
    /// # Errors
    ///
    /// [`Incomplete`](talloc_trace::snapshot::Incomplete) if the sink did not take all records.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    /// use std::io::BufWriter;
    ///
    /// use talloc_global::*;
    /// use talloc_trace::IoSink;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: SystemTallock = SystemTallock::new();
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let file = File::create(std::env::temp_dir().join("locked.heap"))?;
    ///     let mut sink = IoSink::new(BufWriter::new(file));
    ///     let map = ALLOCATOR.heap_map().ok_or("there is no memory for the list")?;
    ///     map.write_snapshot(&mut sink)?;
    ///     sink.finish()?;
    ///     Ok(())
    /// }
    /// ```
    #[cfg(feature = "snapshot")]
    pub fn write_snapshot(
        &self,
        sink: impl talloc_trace::Sink,
    ) -> Result<(), talloc_trace::snapshot::Incomplete> {
        crate::snapshot::write_chunks(self.iter().copied(), sink)
    }

    /// Returns the free chunks, the tops of arenas, and the cached blocks that the map lists. Takes time in proportion to
    /// the number of all chunks.
    pub fn free_chunks(&self) -> impl Iterator<Item = &Chunk> + '_ {
        self.iter().filter(|chunk| chunk.kind.is_free())
    }
}

impl Deref for HeapMap {
    type Target = [Chunk];

    fn deref(&self) -> &[Chunk] {
        &self.list[..self.len]
    }
}

/// Prints the chunks.
impl fmt::Debug for HeapMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapMap").field("number", &self.number).field("chunks", &&**self).finish()
    }
}

/// The content of a list before it is filled.
const NOTHING: Chunk = Chunk { kind: ChunkKind::Own, span: Span::empty() };

/// An array of chunks in a mapping of its own.
struct List {
    first: NonNull<Chunk>,
    layout: Layout,
    room: usize,
}

// SAFETY: The list owns its mapping, and chunks are `Send`.
unsafe impl Send for List {}
// SAFETY: Shared references to a list only read, and chunks are `Sync`.
unsafe impl Sync for List {}

impl List {
    /// Maps an array of `room` chunks, and writes to each of them, so that filling the list takes no page faults while
    /// the heap waits.
    fn with_room(room: usize) -> Option<Self> {
        let layout = Layout::array::<Chunk>(room).ok()?;
        let first = blocks::map(layout)?.cast::<Chunk>();
        for at in 0..room {
            // SAFETY: The mapping has room for `room` chunks, and nobody else has it.
            unsafe { first.add(at).write(NOTHING) };
        }
        Some(Self { first, layout, room })
    }
}

impl Deref for List {
    type Target = [Chunk];

    fn deref(&self) -> &[Chunk] {
        // SAFETY: `with_room` has initialised all chunks, and the list is borrowed.
        unsafe { NonNull::slice_from_raw_parts(self.first, self.room).as_ref() }
    }
}

impl DerefMut for List {
    fn deref_mut(&mut self) -> &mut [Chunk] {
        // SAFETY: `with_room` has initialised all chunks, and the list is borrowed mutably.
        unsafe { NonNull::slice_from_raw_parts(self.first, self.room).as_mut() }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: `with_room` mapped the array with this layout, and nobody uses it any more.
        unsafe { blocks::unmap(self.first.cast(), self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills a list with the first of `there` chunks, as many as there is room for.
    fn fill(room: &mut [Chunk], there: usize) -> Option<usize> {
        let chunk = |at: usize| Chunk {
            kind: ChunkKind::Free,
            span: Span::try_from_base_size(8 + 16 * at, 8).expect("it is in the address space"),
        };
        room.iter_mut().take(there).enumerate().for_each(|(at, place)| *place = chunk(at));
        Some(there)
    }

    #[test]
    fn a_list_grows_until_all_chunks_fit() {
        let mut rooms = 0;
        let there = 3 * FIRST_ROOM + 1;
        let map = HeapMap::read(3, |room| {
            rooms += 1;
            fill(room, there)
        });
        let map = map.expect("there is memory");
        assert_eq!((map.number(), map.len(), rooms), (3, there, 2));
        assert_eq!(map.free_chunks().count(), there);
        assert_eq!(map[there - 1].span.base(), Some(8 + 16 * (there - 1)));
    }

    #[test]
    fn a_heap_that_outgrows_every_list_is_given_up() {
        let mut tries = 0;
        let map = HeapMap::read(0, |room| {
            tries += 1;
            fill(room, 2 * room.len())
        });
        assert!(map.is_none() && tries == TRIES);
        assert!(HeapMap::read(0, |_| None).is_none());
    }
}
