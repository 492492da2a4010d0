//! Which heap a [`WasmTalloc`](crate::WasmTalloc) is.

use core::alloc::Layout;
use core::{fmt, ptr};

use talloc_sync::shared::global;
use talloc_sync::{Config, OwnedTalloc, Report, SharedHeap, Statistics, Talloc, Violation};

use super::WasmSource;
use super::guarded::Guarded;
use super::memory::ModuleMemory;
use crate::linear::Linear;

/// The default parameters of a [`WasmTalloc`](crate::WasmTalloc): 64 bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WasmDefault;

/// Parameters of a [`WasmTalloc`](crate::WasmTalloc) that make for a small module: 32 bins.
///
/// # Examples
///
/// ```ignore
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: WasmTalloc<WasmSmall> = WasmTalloc::configured();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WasmSmall;

/// The parameters of a [`WasmTalloc`](crate::WasmTalloc): [`WasmDefault`], [`WasmSmall`], or any [`Config`].
///
/// It is implemented for these, and for no other type.
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

/// A heap behind a shared reference.
///
/// # Safety
///
/// It is as `GlobalAlloc` asks; so are the methods of the same names.
#[allow(clippy::missing_safety_doc, reason = "as for the methods of `GlobalAlloc`")]
pub unsafe trait Heap: Sync + Sized {
    /// A heap without memory.
    const NEW: Self;

    /// A heap that takes the rest of the initial memory first. To use it is for those only who may
    /// call [`WasmSource::with_rest`].
    const WITH_REST: Self;

    unsafe fn alloc(&self, layout: Layout) -> *mut u8;
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8;
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout);
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8;
    fn flush(&self);
    fn verify(&self) -> Result<Report, Violation>;
    fn statistics(&self) -> Statistics;
    /// Prints the heap. To print may allocate from this very heap: it is not held meanwhile.
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

// SAFETY: By the contract of `Linear`.
unsafe impl<const BINS: usize, const SPLIT: u32, const QUICK: usize> Heap
    for Guarded<Linear<ModuleMemory, BINS, SPLIT, QUICK>>
{
    const NEW: Self = Self::new(Linear::new(ModuleMemory::NEW));
    // SAFETY: Those who use the constant may.
    const WITH_REST: Self = Self::new(Linear::new(unsafe { ModuleMemory::with_rest() }));

    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = self.lend(|heap| heap.allocate(layout.size(), layout.align()));
        block.map_or(ptr::null_mut(), |at| ptr::with_exposed_provenance_mut(at.get()))
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = self.lend(|heap| heap.allocate_dirty(layout.size(), layout.align()));
        let Some((at, dirty)) = block else { return ptr::null_mut() };
        let block = ptr::with_exposed_provenance_mut::<u8>(at.get());
        // SAFETY: The block has no fewer bytes, and nobody else knows of it.
        unsafe { block.write_bytes(0, dirty) };
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: The caller gives up the block, which has that size.
        self.lend(|heap| unsafe { heap.free(block.addr(), layout.size()) });
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let size = layout.size();
        // SAFETY: It is a block of that size.
        if self.lend(|heap| unsafe { heap.resize(block.addr(), size, new_size) }) {
            return ptr::with_exposed_provenance_mut(block.addr());
        }
        // SAFETY: The new size, rounded up to the alignment, is at most `isize::MAX`. Both blocks have as
        // many bytes, and are different ones. Only to grow can have failed.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, size);
                self.dealloc(block, layout);
            }
            new
        }
    }

    fn flush(&self) {
        self.lend(|heap| heap.flush());
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.lend(|heap| heap.verify())
    }

    fn statistics(&self) -> Statistics {
        self.lend(|heap| heap.statistics())
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.lend(|heap| heap.owned());
        f.debug_struct("WasmTalloc").field("bytes", &bytes).finish_non_exhaustive()
    }
}

// SAFETY: The heap gives out blocks as the layout asks, which stay valid until they are freed, and does
// not unwind.
unsafe impl<C: Config> Heap for Guarded<OwnedTalloc<C, WasmSource>> {
    const NEW: Self = Self::new(Talloc::with_source(WasmSource::new()));
    // SAFETY: Those who use the constant may.
    const WITH_REST: Self = Self::new(Talloc::with_source(unsafe { WasmSource::with_rest() }));

    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: By the contract of `GlobalAlloc::alloc`.
        unsafe { global::alloc(self, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: By the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { global::alloc_zeroed(self, layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: By the contract of `GlobalAlloc::dealloc`.
        unsafe { global::dealloc(self, block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: By the contract of `GlobalAlloc::realloc`.
        unsafe { global::realloc(self, block, layout, new_size) }
    }

    fn flush(&self) {
        self.with(Talloc::flush);
    }

    fn verify(&self) -> Result<Report, Violation> {
        self.with(|heap| heap.verify())
    }

    fn statistics(&self) -> Statistics {
        self.with(|heap| heap.statistics())
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outline = self.with(|heap| heap.outline());
        f.debug_tuple("WasmTalloc").field(&outline).finish()
    }
}
