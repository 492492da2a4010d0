//! The parameters of a [`WasmTalloc`](crate::WasmTalloc), which select its heap.

use core::alloc::Layout;
use core::fmt;
use core::num::NonZero;
use core::ptr::{self, NonNull};

use talloc_sync::shared::Allocate;
use talloc_sync::{
    AllocError, Chunk, Config, OwnedTalloc, Report, SharedHeap, SizeClasses, Statistics, Talloc,
    Violation,
};

use super::WasmSource;
use super::guarded::Guarded;
use super::memory::ModuleMemory;
use crate::linear::Linear;

/// The default parameters of a [`WasmTalloc`](crate::WasmTalloc): 64 bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WasmDefault;

/// Parameters of a [`WasmTalloc`](crate::WasmTalloc) for small modules: 32 bins, and no quick lists.
///
/// # Examples
///
/// ```ignore
/// use talloc_global::{source::WasmSmall, *};
///
/// #[global_allocator]
/// static ALLOCATOR: WasmTalloc<WasmSmall> = WasmTalloc::with_config();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WasmSmall;

/// The parameters of a [`WasmTalloc`](crate::WasmTalloc): [`WasmDefault`], [`WasmSmall`], or any [`Config`].
///
/// This trait is sealed.
pub trait WasmParameters: sealed::Sealed {
    /// The heap with these parameters.
    #[doc(hidden)]
    type Heap: Heap;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::WasmDefault {}
    impl Sealed for super::WasmSmall {}
    impl<C: super::Config> Sealed for C {}
}

impl WasmParameters for WasmDefault {
    type Heap = Guarded<Linear<ModuleMemory, 64, 2, 17>>;
}

impl WasmParameters for WasmSmall {
    type Heap = Guarded<Linear<ModuleMemory, 32, 0, 0>>;
}

impl<C: Config> WasmParameters for C {
    type Heap = Guarded<OwnedTalloc<C, WasmSource>>;
}

/// A heap of a module.
pub trait Heap: Allocate + Sync + Sized {
    /// A heap without memory.
    const NEW: Self;

    /// A heap that takes the rest of the initial memory first. Only code that has called [`WasmSource::with_rest`] may use
    /// it.
    const WITH_REST: Self;

    fn flush(&self);
    fn verify(&self) -> Result<Report, Violation>;
    fn statistics(&self) -> Statistics;
    fn size_classes(&self) -> SizeClasses;
    fn largest_free_bytes(&self) -> usize;
    fn free_chunks(&self, room: &mut [Chunk]) -> usize;
    fn memory_map(&self, room: &mut [Chunk]) -> usize;
    /// Prints the heap. The heap is not locked meanwhile, because printing may allocate from it.
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

// SAFETY: `Linear` returns blocks with the size and alignment of the request, its memory does not move, and `resize` below
// copies the contents of blocks that move.
unsafe impl<const BINS: usize, const SPLIT: u32, const QUICK: usize> Allocate
    for Guarded<Linear<ModuleMemory, BINS, SPLIT, QUICK>>
{
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        let block = self.lend(|heap| heap.allocate(layout.size(), layout.align()));
        block.map(block_at).ok_or(AllocError)
    }

    #[inline]
    fn allocate_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        let block = self.lend(|heap| heap.allocate_dirty(layout.size(), layout.align()));
        let (at, dirty) = block.ok_or(AllocError)?;
        Ok((block_at(at), dirty))
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: The caller gives up the block, which was allocated with this size.
        self.lend(|heap| unsafe { heap.free(ptr.addr().get(), layout.size()) });
    }

    #[inline]
    unsafe fn resize(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        let addr = ptr.addr();
        // SAFETY: By the contract of `resize`, it is a live block of this size.
        if self.lend(|heap| unsafe { heap.resize(addr.get(), old.size(), new.size()) }) {
            return Ok(block_at(addr));
        }
        let block = self.allocate(new)?;
        // SAFETY: The blocks are different, and both have `old.size()` bytes: only growing can have failed.
        unsafe {
            block.copy_from_nonoverlapping(ptr, old.size());
            self.deallocate(ptr, old);
        }
        Ok(block)
    }
}

/// Returns the block at an address, with the exposed provenance of the memory.
#[inline(always)]
fn block_at(addr: NonZero<usize>) -> NonNull<u8> {
    // SAFETY: The address is not zero.
    unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(addr.get())) }
}

impl<const BINS: usize, const SPLIT: u32, const QUICK: usize> Heap
    for Guarded<Linear<ModuleMemory, BINS, SPLIT, QUICK>>
{
    const NEW: Self = Self::new(Linear::new(ModuleMemory::NEW));
    // SAFETY: Only code that has called `WasmSource::with_rest` uses the constant.
    const WITH_REST: Self = Self::new(Linear::new(unsafe { ModuleMemory::with_rest() }));

    fn flush(&self) {
        self.lend(|heap| heap.flush());
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.lend(|heap| heap.verify())
    }

    fn statistics(&self) -> Statistics {
        self.lend(|heap| heap.statistics())
    }

    fn size_classes(&self) -> SizeClasses {
        self.lend(|heap| heap.free_chunks().collect())
    }

    fn largest_free_bytes(&self) -> usize {
        self.lend(|heap| heap.largest_free_bytes())
    }

    fn free_chunks(&self, room: &mut [Chunk]) -> usize {
        self.lend(|heap| Chunk::list(heap.free_chunks(), room))
    }

    fn memory_map(&self, room: &mut [Chunk]) -> usize {
        self.lend(|heap| Chunk::list(heap.memory_map(), room))
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.lend(|heap| heap.owned());
        f.debug_struct("WasmTalloc").field("bytes", &bytes).finish_non_exhaustive()
    }
}

impl<C: Config> Heap for Guarded<OwnedTalloc<C, WasmSource>> {
    const NEW: Self = Self::new(Talloc::with_source(WasmSource::new()));
    // SAFETY: Only code that has called `WasmSource::with_rest` uses the constant.
    const WITH_REST: Self = Self::new(Talloc::with_source(unsafe { WasmSource::with_rest() }));

    fn flush(&self) {
        self.with(Talloc::flush);
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.with(|heap| heap.verify())
    }

    fn statistics(&self) -> Statistics {
        self.with(|heap| heap.inspect().statistics())
    }

    fn size_classes(&self) -> SizeClasses {
        self.with(|heap| heap.inspect().size_classes())
    }

    fn largest_free_bytes(&self) -> usize {
        self.with(|heap| heap.inspect().largest_free_bytes())
    }

    fn free_chunks(&self, room: &mut [Chunk]) -> usize {
        self.with(|heap| Chunk::list(heap.inspect().free_chunks(), room))
    }

    fn memory_map(&self, room: &mut [Chunk]) -> usize {
        self.with(|heap| Chunk::list(heap.inspect().memory_map(), room))
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outline = self.with(|heap| heap.inspect().outline());
        f.debug_tuple("WasmTalloc").field(&outline).finish()
    }
}
