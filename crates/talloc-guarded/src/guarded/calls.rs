//! The methods of `GlobalAlloc` for [`Guarded`].

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;

use super::Guarded;
use crate::misuse;
use crate::pool::Place;
use crate::report::Action;
use crate::sampler;

/// Calls with guarded blocks.
impl<A> Guarded<A> {
    /// Frees a guarded block.
    ///
    /// # Safety
    ///
    /// That of `GlobalAlloc::dealloc`. Some ways to violate it are reported.
    #[cold]
    #[inline(never)]
    unsafe fn free(&self, ptr: *mut u8, layout: Layout) {
        let Some(pool) = self.pool() else { return };
        // SAFETY: `check` has found a live block with this layout in the slot, and the caller gives it up.
        sampler::paused(|| unsafe {
            let action = Action::Free { layout };
            if let Some(number) = misuse::check(pool, ptr.addr(), layout, action) {
                misuse::free(pool, number, ptr.addr(), action);
            }
        });
    }

    /// Reallocates a guarded block.
    ///
    /// # Safety
    ///
    /// That of `GlobalAlloc::realloc`. Some ways to violate it are reported.
    #[cold]
    #[inline(never)]
    unsafe fn resize(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8
    where
        A: GlobalAlloc,
    {
        let Some(pool) = self.pool() else { return ptr::null_mut() };
        let action = Action::Resize { layout, new_size };
        let check = || misuse::check(pool, ptr.addr(), layout, action);
        let Some(number) = sampler::paused(check) else { return ptr::null_mut() };
        // SAFETY: By the contract of `realloc`, the new size is not zero and makes a valid layout. `check` has found that
        // the old block is live and has this layout. The new block is a different one.
        unsafe {
            if new_size >= self.shape.large
                && sampler::paused(|| misuse::resize(pool, number, new_size, action))
            {
                return ptr;
            }
            let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
            let new = if self.is_due(new_size) {
                self.alloc_due(new_layout, || self.place_of_moved(new_size))
            } else {
                self.inner.alloc(new_layout)
            };
            if !new.is_null() {
                new.copy_from_nonoverlapping(ptr, layout.size().min(new_size));
                sampler::paused(|| misuse::free(pool, number, ptr.addr(), action));
            }
            new
        }
    }
}

/// Calls for which a sample is due. They are out of line to keep the usual path short.
impl<A: GlobalAlloc> Guarded<A> {
    /// # Safety
    ///
    /// That of `GlobalAlloc::alloc`.
    #[cold]
    #[inline(never)]
    unsafe fn alloc_due(&self, layout: Layout, place: impl FnOnce() -> Place) -> *mut u8 {
        let block = self.guard(layout, place);
        // SAFETY: The size is not zero, by the contract of `alloc`.
        if block.is_null() { unsafe { self.inner.alloc(layout) } } else { block }
    }

    /// # Safety
    ///
    /// That of `GlobalAlloc::alloc_zeroed`.
    #[cold]
    #[inline(never)]
    unsafe fn alloc_zeroed_due(&self, layout: Layout) -> *mut u8 {
        let block = self.guard(layout, sampler::place);
        // SAFETY: The size is not zero, by the contract of `alloc_zeroed`.
        if block.is_null() { unsafe { self.inner.alloc_zeroed(layout) } } else { block }
    }

    /// # Safety
    ///
    /// That of `GlobalAlloc::realloc`. The block is not guarded.
    #[cold]
    #[inline(never)]
    unsafe fn realloc_due(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: By the contract of `realloc`, the new size makes a valid layout, and the block has the old layout. The
        // new block is a different one with the new layout.
        unsafe {
            let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
            let new = self.guard(new_layout, || self.place_of_moved(new_size));
            if new.is_null() {
                return self.inner.realloc(ptr, layout, new_size);
            }
            new.copy_from_nonoverlapping(ptr, layout.size().min(new_size));
            self.inner.dealloc(ptr, layout);
            new
        }
    }
}

// SAFETY: A guarded block has a slot of its own. All other blocks come from `A` and go back to `A`; the address of a block
// says which kind it is. Nothing unwinds: a handler of reports that panics aborts.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Guarded<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The size is not zero, by the contract of `alloc`.
        unsafe {
            if self.is_due(layout.size()) {
                self.alloc_due(layout, sampler::place)
            } else {
                self.inner.alloc(layout)
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The size is not zero, by the contract of `alloc_zeroed`.
        unsafe {
            if self.is_due(layout.size()) {
                self.alloc_zeroed_due(layout)
            } else {
                self.inner.alloc_zeroed(layout)
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The block is live, with this layout. If it is not guarded, it is from the other allocator.
        unsafe {
            if self.is_guarded(ptr) {
                self.free(ptr, layout);
            } else {
                self.inner.dealloc(ptr, layout);
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The block is live, with this layout. If it is not guarded, it is from the other allocator.
        unsafe {
            if self.is_guarded(ptr) {
                self.resize(ptr, layout, new_size)
            } else if self.is_due(new_size) {
                self.realloc_due(ptr, layout, new_size)
            } else {
                self.inner.realloc(ptr, layout, new_size)
            }
        }
    }
}
