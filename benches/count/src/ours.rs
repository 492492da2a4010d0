//! The heaps of this workspace.

use crate::heap::Heap;
use std::{
    alloc::{GlobalAlloc, Layout},
    ptr::{self, NonNull},
};
use talloc_sync::{
    Checked, Compact, Config, Harden, Hardened, Level, Measures, Micro, RealTime, Span, lock::Spin,
};

/// A configuration of the heap with a name.
pub trait Named: Config {
    /// The name in tables.
    const NAME: &'static str;

    /// The largest memory that it can use, in bytes.
    const MAX: usize = usize::MAX;

    /// Whether it runs by default. Checked profiles do not.
    const USUAL: bool = !Self::CHECKED;
}

impl Named for Compact {
    const NAME: &'static str = "talloc";
}

impl Named for RealTime {
    const NAME: &'static str = "talloc-plain";
}

impl Named for Checked<Compact> {
    const NAME: &'static str = "talloc-checked";
}

impl Named for Checked<RealTime> {
    const NAME: &'static str = "talloc-plain-checked";
}

impl Named for Hardened<Compact> {
    const NAME: &'static str = "talloc-hardened";
}

/// One measure of a hardened heap, by its position in [`Measures::EACH`].
pub struct Only<const N: usize>;

impl<const N: usize> Harden for Only<N> {
    const MEASURES: Measures = Measures::EACH[N].1;
}

impl<const N: usize> Named for Hardened<Compact, Only<N>> {
    const NAME: &'static str = Measures::EACH[N].0;
}

/// All measures of a hardened heap.
pub struct AllMeasures;

impl Harden for AllMeasures {
    const MEASURES: Measures = Measures::ALL;
}

impl Named for Hardened<Compact, AllMeasures> {
    const NAME: &'static str = "talloc-all-measures";
}

impl Named for Micro {
    const NAME: &'static str = "talloc-micro";
    // Its links do not reach much further.
    const MAX: usize = 480 << 10;
}

/// The heap with the configuration `C`.
pub struct Talloc<C: Config>(talloc_sync::OwnedTalloc<C>);

impl<C: Named> Heap for Talloc<C> {
    const NAME: &'static str = C::NAME;
    const USUAL: bool = C::USUAL;

    fn empty() -> Self {
        Self(talloc_sync::Talloc::with_config())
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        let memory = Span::from(memory);
        let memory = memory.truncate(0, memory.size().saturating_sub(C::MAX));
        // SAFETY: The caller gives the memory to this heap.
        unsafe { self.0.arenas_mut().try_init(memory) }.is_ok()
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: `malloc` has no preconditions.
        unsafe { self.0.malloc(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller passes an allocated block with this layout, so it is not null.
        unsafe { self.0.free(NonNull::new_unchecked(ptr), layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: `malloc_zeroed` has no preconditions.
        unsafe { self.0.malloc_zeroed(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller passes an allocated block with this layout, so it is not null, and a valid new size.
        unsafe { self.0.realloc(NonNull::new_unchecked(ptr), layout, new_size) }
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

/// The heap with the configuration `C` behind its lock, like a global allocator.
pub struct Tallock<C: Config>(talloc_sync::Tallock<Spin, C>);

impl<C: Named> Heap for Tallock<C> {
    const NAME: &'static str = C::NAME;
    const USUAL: bool = C::USUAL;

    fn empty() -> Self {
        Self(talloc_sync::Talloc::with_config().lock())
    }

    unsafe fn init(&mut self, memory: NonNull<[u8]>) -> bool {
        // SAFETY: The caller gives the memory to this heap.
        unsafe { self.0.0.lock().arenas_mut().try_init(Span::from(memory)) }.is_ok()
    }

    #[inline]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller passes a size that is not zero.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller passes an allocated block with this layout.
        unsafe { self.0.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller passes a size that is not zero.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller passes an allocated block with this layout, and a valid new size.
        unsafe { self.0.realloc(ptr, layout, new_size) }
    }
}
