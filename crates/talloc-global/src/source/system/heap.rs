//! A front for heaps on an operating system, which maps very large blocks individually.

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

/// A heap with memory from the operating system, which maps very large blocks individually.
///
/// [`SystemTallock`](crate::SystemTallock) is an alias of this type. It derefs to the heap within. A block that was
/// allocated from the heap within must be freed to the heap within.
///
/// # Very large blocks
///
/// A block of 32 MiB or more is mapped when it is allocated and unmapped when it is freed. It is zero without being
/// cleared, and on Linux it grows without being copied. The layout alone says whether a block is so large, so other
/// blocks cost one comparison. A block that grows or shrinks across 32 MiB is copied.
///
/// [`Report::mapped_blocks`] counts these blocks. A [`Checked`](crate::config::Checked) heap must know all blocks, so
/// it maps none individually.
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

    /// Replaces `old` of the counted bytes with `new`.
    fn count_bytes(&self, old: usize, new: usize) {
        // At least `old` bytes have been counted, so the sum does not wrap, even if the difference does.
        self.mapped_bytes.fetch_add(new.wrapping_sub(old), Relaxed);
    }
}

impl<H: SharedHeap<Source = SystemSource>> SystemHeap<H> {
    /// Returns the chunks of the heap, without very large blocks; `None` if there is no memory for the list. Other threads
    /// wait for the lock as long as [`Inspect::memory_map`](crate::inspect::Inspect::memory_map) takes.
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

    /// Tries again to allocate a large block, first after the heap has returned its free memory, then after the source
    /// has released its reserved addresses.
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

    /// Resizes a large block to another large size, without copying it.
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

/// Whether a block is mapped individually.
#[inline(always)]
fn is_large<C: Config>(layout: Layout) -> bool {
    !C::CHECKED && layout.size() >= blocks::MIN
}

// SAFETY: A block comes from the heap within, or is a mapping of its own, which is zero. The layout alone decides
// which, so `free` and `resize_apart` return each block to where `malloc` got it.
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
            // SAFETY: The caller gives up the block, and its layout is that of a large block.
            unsafe { self.unmap(ptr, layout) }
        } else {
            // SAFETY: The caller gives up the block. Its layout is not that of a large block, so the heap within
            // allocated it.
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

    /// Also counts the large blocks.
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
            // SAFETY: The caller has a block with the layout `old`, and both layouts are those of large blocks.
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

// SAFETY: A value is the same heap at each call, wherever it lies. Copies of a reference borrow the same value.
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
