//! The magazines as an allocator.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use lock_api::RawMutex;
use talloc_core::shared::global;
use talloc_core::{AllocError, Config, SharedHeap, Source, Statistics, Talloc};

use super::class::Class;
use super::{Caller, TallocMagazines};
use crate::handle::Handle;

// SAFETY: It is one heap behind a lock. A block in a magazine has been allocated from it with the size of the
// magazine's class, is as aligned as all are, and is nobody's until it is taken out.
unsafe impl<R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize> SharedHeap
    for TallocMagazines<R, C, S, W, N>
{
    type Config = C;
    type Source = S;

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C, S>) -> T) -> T {
        f(&mut self.lock())
    }

    #[inline(always)]
    fn malloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        if let Some(class) = Class::of_new::<C>(layout) {
            if let Some(block) = self.take(class) {
                return Ok(block);
            }
        }
        self.allocate_in_heap(layout).map(|(block, _)| block)
    }

    #[inline(always)]
    fn malloc_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        if let Some(class) = Class::of_new::<C>(layout) {
            if let Some(block) = self.take(class) {
                return Ok((block, layout.size()));
            }
        }
        self.allocate_in_heap(layout)
    }

    #[inline(always)]
    unsafe fn free(&self, ptr: NonNull<u8>, layout: Layout) {
        if let Some(class) = Class::of::<C>(layout) {
            // SAFETY: As the caller says.
            if unsafe { self.put(class, ptr) } {
                return;
            }
        }
        // SAFETY: As the caller says.
        unsafe { self.free_in_heap(ptr, layout) }
    }

    #[cold]
    fn trim(&self) {
        if !C::CHECKED {
            self.flush();
        }
        self.lock().trim();
    }

    /// Takes time in proportion to the slots. What a slot holds that is in use meanwhile counts as used.
    fn statistics(&self) -> Statistics {
        self.count()
    }

    fn used_bytes(&self) -> usize {
        self.count().used_bytes
    }

    fn free_bytes(&self) -> usize {
        self.count().free_bytes
    }

    #[inline(always)]
    fn rather_moves(&self, old: Layout, new: Layout) -> bool {
        let is_cached = |layout: Layout| layout.size() > 0 && Class::of_new::<C>(layout).is_some();
        is_cached(old) && is_cached(new)
    }
}

impl<R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize> Handle
    for &TallocMagazines<R, C, S, W, N>
{
    type Heap = TallocMagazines<R, C, S, W, N>;

    #[inline(always)]
    fn heap(&self) -> &Self::Heap {
        self
    }
}

// SAFETY: The heap gives out blocks as the layout asks, which stay valid until they are freed. A cached
// block is nobody's. The functions of `global` do not unwind.
unsafe impl<R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize> GlobalAlloc
    for TallocMagazines<R, C, S, W, N>
{
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::alloc(self, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::alloc_zeroed(self, layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { global::dealloc(self, ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: As the caller says.
        unsafe { global::realloc(self, ptr, layout, new_size) }
    }
}
