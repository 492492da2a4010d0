//! What is in front of the heap of a program on an operating system.

use core::alloc::Layout;
use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use talloc_sync::Level;
use talloc_sync::{
    AllocError, Chunk, Config, Report, SharedHeap, Statistics, Talloc, Violation, allocator,
    global_alloc,
};

use super::map::HeapMap;
use super::{SystemSource, blocks};

/// A heap whose memory is the operating system's, and which leaves very large blocks to that.
///
/// [`SystemTallock`](crate::SystemTallock) is a name of it. It derefs to the heap within: blocks that are
/// allocated from that are freed to that.
///
/// # Very large blocks
///
/// A block of 32 MiB or more has memory of its own, which it gets when it is allocated and gives
/// back when it is freed. It is zero without being cleared, and on Linux it grows without being
/// copied. The layout tells which blocks those are, so that with others it costs a comparison. A
/// block that grows or shrinks across that size is copied.
///
/// The blocks are counted in [`Report::mapped_blocks`]. In a [`Checked`](crate::config::Checked) heap there
/// are none, as that must know all blocks.
pub struct SystemHeap<H> {
    heap: H,
    mapped_blocks: AtomicUsize,
    mapped_bytes: AtomicUsize,
    /// Requests for large blocks that failed.
    refused: AtomicUsize,
}

impl<H> SystemHeap<H> {
    /// Puts the large blocks in front of a heap.
    pub(super) const fn in_front_of(heap: H) -> Self {
        Self {
            heap,
            mapped_blocks: AtomicUsize::new(0),
            mapped_bytes: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// Counts bytes that have been mapped, in the place of others that have been before.
    fn count_bytes(&self, old: usize, new: usize) {
        // There are at least as many as `old`: the difference may wrap, the sum does not.
        self.mapped_bytes.fetch_add(new.wrapping_sub(old), Relaxed);
    }
}

impl<H: SharedHeap<Source = SystemSource>> SystemHeap<H> {
    /// Returns what lies where in the heap, without very large blocks; `None` if there is no memory for the list. Takes
    /// time as [`Inspect::memory_map`](crate::inspect::Inspect::memory_map) does, for which others wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_global::{inspect::ChunkKind, *};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: SystemTallock = SystemTallock::new();
    ///
    /// fn main() {
    ///     let map = ALLOCATOR.heap_map().expect("there is memory for the list");
    ///     println!("{} free chunks", map.free_chunks().count());
    ///     assert!(map.iter().any(|chunk| chunk.kind == ChunkKind::Blocks));
    /// }
    /// ```
    pub fn heap_map(&self) -> Option<HeapMap> {
        HeapMap::read(0, |room| {
            Some(self.heap.with(|heap| Chunk::list(heap.inspect().memory_map(), room)))
        })
    }

    /// Allocates a large block.
    #[cold]
    #[inline(never)]
    fn map(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let size = blocks::size(layout).ok_or(AllocError)?;
        let block = match blocks::map(layout) {
            Some(block) => block,
            None => self.map_at_last(layout, size).inspect_err(|AllocError| {
                self.refused.fetch_add(1, Relaxed);
            })?,
        };
        self.mapped_blocks.fetch_add(1, Relaxed);
        self.count_bytes(0, size);
        Ok(block)
    }

    /// Allocates a large block after the heap has given up what it can.
    fn map_at_last(&self, layout: Layout, size: usize) -> Result<NonNull<u8>, AllocError> {
        self.heap.trim();
        if let Some(block) = blocks::map(layout) {
            return Ok(block);
        }
        self.heap.with(|heap| heap.source_mut().make_way(size));
        blocks::map(layout).ok_or(AllocError)
    }

    /// Frees a large block.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::free`], and the layout is that of a large block.
    #[cold]
    #[inline(never)]
    unsafe fn unmap(&self, block: NonNull<u8>, layout: Layout) {
        self.mapped_blocks.fetch_sub(1, Relaxed);
        self.count_bytes(blocks::size(layout).unwrap_or(0), 0);
        // SAFETY: A large block comes from `map` or `remap`, and is given up.
        unsafe { blocks::unmap(block, layout) }
    }

    /// Changes the size of a large block that stays one, without copying it.
    ///
    /// # Safety
    ///
    /// As for [`SharedHeap::resize_apart`], and the layouts are those of large blocks.
    #[cold]
    #[inline(never)]
    unsafe fn remap(
        &self,
        block: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: A large block comes from `map` or `remap`, and is given up if this succeeds.
        let block = unsafe { blocks::remap(block, old, new) }.ok_or(AllocError)?;
        self.count_bytes(blocks::size(old).unwrap_or(0), blocks::size(new).unwrap_or(0));
        Ok(block)
    }
}

/// Whether a block has memory of its own.
#[inline(always)]
fn is_large<C: Config>(layout: Layout) -> bool {
    !C::CHECKED && layout.size() >= blocks::MIN
}

// SAFETY: A block is the heap's within, or memory that the system has mapped for it alone, all zeros. The
// layout tells which, so that `free` and `resize_apart` find the one that `malloc` asked.
unsafe impl<H: SharedHeap<Source = SystemSource>> SharedHeap for SystemHeap<H> {
    type Config = H::Config;
    type Source = SystemSource;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<H::Config, SystemSource>) -> T) -> T {
        self.heap.with(f)
    }

    #[inline(always)]
    fn malloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if is_large::<H::Config>(layout) { self.map(layout) } else { self.heap.malloc(layout) }
    }

    #[inline(always)]
    fn malloc_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        if is_large::<H::Config>(layout) {
            Ok((self.map(layout)?, 0))
        } else {
            self.heap.malloc_dirty(layout)
        }
    }

    #[inline(always)]
    unsafe fn free(&self, ptr: NonNull<u8>, layout: Layout) {
        if is_large::<H::Config>(layout) {
            // SAFETY: The caller gives up the block, whose layout is that of a large one.
            unsafe { self.unmap(ptr, layout) }
        } else {
            // SAFETY: The caller gives up the block, which is that heap's: its layout is not that of a large one.
            unsafe { self.heap.free(ptr, layout) }
        }
    }

    #[cold]
    fn trim(&self) {
        self.heap.trim();
    }

    fn statistics(&self) -> Statistics {
        let mut statistics = self.heap.statistics();
        statistics.mapped_blocks = self.mapped_blocks.load(Relaxed);
        statistics.mapped_bytes = self.mapped_bytes.load(Relaxed);
        statistics.refused_requests += self.refused.load(Relaxed);
        statistics
    }

    /// Counts the large blocks, too.
    fn verify(&self) -> Result<Report, Violation> {
        let mut report = self.heap.verify()?;
        report.mapped_blocks = self.mapped_blocks.load(Relaxed);
        report.mapped_bytes = self.mapped_bytes.load(Relaxed);
        Ok(report)
    }

    #[inline(always)]
    unsafe fn resize_apart(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Option<Result<NonNull<u8>, AllocError>> {
        match (is_large::<H::Config>(old), is_large::<H::Config>(new)) {
            (false, false) => None,
            // SAFETY: It is a block with the layout `old`, and both layouts are those of large blocks.
            (true, true) => Some(unsafe { self.remap(ptr, old, new) }),
            _ => Some(Err(AllocError)),
        }
    }

    #[inline(always)]
    fn rather_moves(&self, old: Layout, new: Layout) -> bool {
        self.heap.rather_moves(old, new)
    }
}

impl<H> Deref for SystemHeap<H> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.heap
    }
}

// SAFETY: It is one heap, wherever it lies. A reference to it borrows it, and so do copies of the reference.
global_alloc!(unsafe impl[H: SharedHeap<Source = SystemSource>] for SystemHeap<H>, |heap| heap);
allocator!(unsafe impl[H: SharedHeap<Source = SystemSource>] for &SystemHeap<H>, |heap| *heap);

impl<H: fmt::Debug> fmt::Debug for SystemHeap<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemHeap")
            .field("heap", &self.heap)
            .field("mapped_blocks", &self.mapped_blocks)
            .field("mapped_bytes", &self.mapped_bytes)
            .finish()
    }
}
