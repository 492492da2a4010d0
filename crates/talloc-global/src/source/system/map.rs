//! What lies where in a heap: a list in memory of its own.

use core::alloc::Layout;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use talloc_sync::{Chunk, ChunkKind, Span};

use super::blocks;

/// How many chunks the first attempt has room for: as many as the least memory that there is to be had.
const FIRST_ROOM: usize = super::space::UNIT / size_of::<Chunk>();

/// How often a list is made anew, if the heap has got more chunks meanwhile than there is room for.
const TRIES: usize = 8;

/// What lies where in one heap, as it was at one time.
///
/// It is a list of the chunks that [`Inspect::memory_map`](crate::inspect::Inspect::memory_map) returns. The list lies
/// in memory that is mapped for it, 24 bytes for a chunk on 64-bit machines, so that it takes nothing of the heap and
/// shows it as it is. The heap goes on meanwhile: what a chunk says may not hold any more.
///
/// [`SystemHeap::heap_map`](crate::source::SystemHeap::heap_map) makes one, and `SystemTalloc::heap_maps` one for each
/// thread.
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
    /// Makes a list by a function that fills one as far as there is room, and returns how many chunks there are.
    /// Returns `None` if the function does, or there is no memory for the list.
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

    /// Keeps only the chunks of which `is_kept` says so.
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

    /// The number of the heap among those of the program, or 0 if there is one.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Writes the chunks to `sink` as a snapshot, which `talloc map` draws. The heap is not held: the sink may allocate.
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

    /// Returns the free chunks, the tops of arenas and the cached blocks, as far as these are listed. Takes time in
    /// proportion to all chunks.
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

/// What a place in a list holds before it is filled.
const NOTHING: Chunk = Chunk { kind: ChunkKind::Own, span: Span::empty() };

/// Room for chunks, in memory of its own.
struct List {
    first: NonNull<Chunk>,
    layout: Layout,
    room: usize,
}

// SAFETY: The memory is the list's alone, and chunks may go to any thread.
unsafe impl Send for List {}
// SAFETY: As above; a shared reference only reads.
unsafe impl Sync for List {}

impl List {
    /// Maps room for so many chunks. Each place is written to, so that the memory is there when it is filled.
    fn with_room(room: usize) -> Option<Self> {
        let layout = Layout::array::<Chunk>(room).ok()?;
        let first = blocks::map(layout)?.cast::<Chunk>();
        for at in 0..room {
            // SAFETY: The block has room for so many chunks, and nobody else has it.
            unsafe { first.add(at).write(NOTHING) };
        }
        Some(Self { first, layout, room })
    }
}

impl Deref for List {
    type Target = [Chunk];

    fn deref(&self) -> &[Chunk] {
        // SAFETY: All places have been written to, and the list is borrowed.
        unsafe { NonNull::slice_from_raw_parts(self.first, self.room).as_ref() }
    }
}

impl DerefMut for List {
    fn deref_mut(&mut self) -> &mut [Chunk] {
        // SAFETY: All places have been written to, and the list is borrowed mutably.
        unsafe { NonNull::slice_from_raw_parts(self.first, self.room).as_mut() }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: It was mapped with this layout, and is not used any more.
        unsafe { blocks::unmap(self.first.cast(), self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills a list with as many chunks as there is room for, of so many.
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
