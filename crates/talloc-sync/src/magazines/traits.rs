//! The magazines as an allocator.

use core::alloc::Layout;
use core::ptr::NonNull;

use lock_api::RawMutex;
use talloc_core::Level;
use talloc_core::{AllocError, Config, Report, SharedHeap, Source, Statistics, Talloc, Violation};

use super::class::Class;
use super::{Caller, TallocMagazines};

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
            // SAFETY: The caller gives up the block, whose size is that of the class.
            if unsafe { self.put(class, ptr) } {
                return;
            }
        }
        // SAFETY: The contract is the same.
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

    fn verify(&self) -> Result<Report, Violation> {
        self.verify_all()
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

// SAFETY: It is one heap, wherever it lies. A reference to it borrows it, and so do copies of the reference.
talloc_core::global_alloc!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize]
    for TallocMagazines<R, C, S, W, N>, |heap| heap
);
talloc_core::allocator!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize]
    for &TallocMagazines<R, C, S, W, N>, |heap| *heap
);
