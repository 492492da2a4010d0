//! Maps of the heaps of all threads.

extern crate std;

use core::fmt;
use core::ops::Deref;
use std::vec::Vec;

use talloc_sync::Chunk;

use super::super::map::HeapMap;
use super::{HEAPS, RANGE, SystemTalloc};

impl SystemTalloc {
    /// Returns the chunks of the heaps of all threads, one heap after the other, while the threads run. Blocks of 128 MiB
    /// or more, which are mapped individually, are not listed.
    ///
    /// Each heap is read between two of its operations, more than once if it has many chunks. Meanwhile its thread can use
    /// its cache, but not its arenas, for a time in proportion to the free chunks.
    ///
    /// Cached blocks are listed only for the caller's heap, the heap of guests, and heaps that nobody owns, and only if
    /// the block is in the same heap. All other cached blocks are parts of chunks of the kind
    /// [`Blocks`](crate::inspect::ChunkKind::Blocks).
    ///
    /// Heaps that cannot be read are left out; [`HeapMaps::unseen_heaps`] returns their numbers. These are the heaps of
    /// other living threads on systems without a barrier for all threads (only Linux and Windows have one), and heaps for
    /// whose list there is no memory. Memory that moves from one heap to another meanwhile is listed for one of them or
    /// for none.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_global::*;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: SystemTalloc = SystemTalloc::new();
    ///
    /// fn main() {
    ///     for map in ALLOCATOR.heap_maps().iter() {
    ///         let largest = map.free_chunks().map(|chunk| chunk.span.size()).max();
    ///         println!("heap {}: at most {} bytes in a piece", map.number(), largest.unwrap_or(0));
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn heap_maps(&self) -> HeapMaps {
        let mut all = HeapMaps { maps: Vec::new(), unseen: Vec::new() };
        for number in HEAPS.numbers() {
            match HeapMap::read(number, |room| HEAPS.memory_map(number, room)) {
                Some(map) => all.maps.push(map),
                None => all.unseen.push(number),
            }
        }
        all.settle();
        all
    }
}

/// The chunks of the heaps of all threads: see [`SystemTalloc::heap_maps`].
pub struct HeapMaps {
    maps: Vec<HeapMap>,
    unseen: Vec<usize>,
}

impl HeapMaps {
    /// Returns the numbers of the heaps that could not be read.
    #[must_use]
    pub fn unseen_heaps(&self) -> &[usize] {
        &self.unseen
    }

    /// Returns the chunks of all heaps, one heap after the other.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> + '_ {
        self.maps.iter().flat_map(|map| map.iter())
    }

    /// Writes the chunks of all heaps to `sink` as one snapshot, which `talloc map` draws. No heap is locked: the sink may
    /// allocate.
    ///
    /// # Errors
    ///
    /// [`Incomplete`](talloc_trace::snapshot::Incomplete) if the sink did not take all records. Heaps that could not be
    /// read are no error: see [`unseen_heaps`](Self::unseen_heaps).
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
    /// static ALLOCATOR: SystemTalloc = SystemTalloc::new();
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let file = File::create(std::env::temp_dir().join("threads.heap"))?;
    ///     let mut sink = IoSink::new(BufWriter::new(file));
    ///     let maps = ALLOCATOR.heap_maps();
    ///     maps.write_snapshot(&mut sink)?;
    ///     sink.finish()?;
    ///     println!("{} heaps are not in the snapshot", maps.unseen_heaps().len());
    ///     Ok(())
    /// }
    /// ```
    #[cfg(feature = "snapshot")]
    pub fn write_snapshot(
        &self,
        sink: impl talloc_trace::Sink,
    ) -> Result<(), talloc_trace::snapshot::Incomplete> {
        crate::snapshot::write_chunks(self.chunks().copied(), sink)
    }

    /// Removes all chunks from each map that its heap does not own: cached blocks of other heaps, and memory that has moved
    /// to another heap meanwhile. Afterwards, no memory is listed for two heaps.
    fn settle(&mut self) {
        let owners = RANGE.owners();
        for map in &mut self.maps {
            let number = map.number();
            map.retain(|chunk| RANGE.was_owned(chunk.span, number, &owners));
        }
    }
}

/// The maps of the heaps that could be read, by their numbers.
impl Deref for HeapMaps {
    type Target = [HeapMap];

    fn deref(&self) -> &[HeapMap] {
        &self.maps
    }
}

/// Prints the chunks of all heaps.
impl fmt::Debug for HeapMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapMaps").field("maps", &self.maps).field("unseen", &self.unseen).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::alloc::{GlobalAlloc, Layout};
    use talloc_sync::{ChunkKind, Span};

    /// A map of a heap that lists one block.
    fn map_of(number: usize, block: Span) -> HeapMap {
        let fill = |room: &mut [Chunk]| {
            room[0] = Chunk { kind: ChunkKind::Blocks, span: block };
            Some(1)
        };
        HeapMap::read(number, fill).expect("there is memory for the list")
    }

    #[test]
    fn memory_that_has_gone_to_another_heap_is_not_listed() {
        let layout = Layout::new::<[u64; 10]>();
        let heap = SystemTalloc::new();
        // SAFETY: The layout has a size, and the block is freed once.
        unsafe {
            let block = heap.alloc(layout);
            let span = Span::from_ptr_size(block, layout.size());
            let owner = usize::from(RANGE.owner_of(block.addr()));
            let maps = [owner, owner + 1].map(|number| map_of(number, span));
            let mut all = HeapMaps { maps: maps.into(), unseen: Vec::new() };
            all.settle();
            let left: Vec<usize> = all.iter().map(|map| map.len()).collect();
            assert_eq!(left, [1, 0]);
            heap.dealloc(block, layout);
        }
    }
}
