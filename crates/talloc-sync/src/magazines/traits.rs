//! The allocator traits for magazines.

use core::alloc::Layout;
use core::ptr::NonNull;

use lock_api::RawMutex;
use talloc_core::Level;
use talloc_core::{AllocError, Config, Report, SharedHeap, Source, Statistics, Talloc, Violation};

use super::class::Class;
use super::{Caller, TallocMagazines};

// SAFETY: There is one heap, behind a lock. A block in a magazine was allocated from it with the size of the magazine's
// class and the alignment of all blocks. Nobody owns the block until it leaves the magazine.
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
            // SAFETY: The caller gives up the block, which has the size of the class.
            if unsafe { self.put(class, ptr) } {
                return;
            }
        }
        // SAFETY: By the contract of this method, which is that of `free_in_heap`.
        unsafe { self.free_in_heap(ptr, layout) }
    }

    #[cold]
    fn trim(&self) {
        if !C::CHECKED {
            self.flush();
        }
        self.lock().trim();
    }

    /// Takes time in proportion to the number of slots. Blocks in slots that are in use count as used.
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

// SAFETY: A value is the same heap at each call, wherever it lies. Copies of a reference borrow the same value.
talloc_core::global_alloc!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize]
    for TallocMagazines<R, C, S, W, N>, |heap| heap
);
talloc_core::allocator!(
    unsafe impl[R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize]
    for &TallocMagazines<R, C, S, W, N>, |heap| *heap
);
