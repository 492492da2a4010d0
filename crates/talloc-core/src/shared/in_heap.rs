//! [`Allocate`] for every [`SharedHeap`].

use core::alloc::Layout;
use core::ptr::NonNull;

use super::{Allocate, SharedHeap, blocks};
use crate::config::Level;
use crate::error::AllocError;
use crate::misuse::{Call, Fault, Misuse};
use crate::talloc::Talloc;

// SAFETY: 1 and 2 follow from 1 and 2 of `SharedHeap`. A block that is resized in place keeps its contents, and a block
// that moves is copied, which is 3.
unsafe impl<H: SharedHeap> Allocate for H {
    const CHECKED: bool = H::Config::CHECKED;

    #[inline(always)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        self.malloc(layout)
    }

    #[inline(always)]
    fn allocate_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        self.malloc_dirty(layout)
    }

    #[inline(always)]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: `ptr` is a block of this heap with this layout, which the caller gives up.
        unsafe { self.free(ptr, layout) }
    }

    #[inline]
    unsafe fn resize(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `ptr` is a block of this heap with the layout `old`, aligned as `new` asks, and neither size is zero,
        // by the contract of this function.
        unsafe {
            // A checked heap resizes in place first, so it reports a wrong block only once.
            if !Self::CHECKED && self.rather_moves(old, new) {
                // If there is no room elsewhere, the block may still change in place.
                if let Ok(block) = blocks::relocate(self, ptr, old, new) {
                    return Ok(block);
                }
                self.with(Talloc::forget_refusal);
            }
            let resized = match self.resize_apart(ptr, old, new) {
                Some(resized) => resized,
                None => resize_in_heap(self, ptr, old, new)?,
            };
            // In the heap, only growing can have failed.
            resized.or_else(|AllocError| blocks::relocate(self, ptr, old, new))
        }
    }

    #[cold]
    fn check(&self, call: Call, ptr: *mut u8, layout: Layout) -> bool {
        match NonNull::new(ptr) {
            Some(ptr) => with_block(self, call, ptr, layout, |_| ()).is_some(),
            None => {
                H::Config::misuse(&Misuse { call, addr: 0, layout, fault: Fault::Foreign });
                false
            }
        }
    }
}

/// Changes the size of a block of the heap in place.
///
/// # Errors
///
/// If the heap is checked, and `ptr` is not a block with the layout `old`, which is reported. The inner result is an
/// error if there is no room.
///
/// # Safety
///
/// `ptr` is a block of this heap with the layout `old`, aligned as `new` asks, and neither size is zero.
#[inline(always)]
#[track_caller]
unsafe fn resize_in_heap<H: SharedHeap>(
    heap: &H,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<Result<NonNull<u8>, AllocError>, AllocError> {
    let call = Call::resize(old.size(), new.size());
    // SAFETY: By the contract of this function.
    let resized = with_block(heap, call, ptr, old, |heap| unsafe {
        // Nothing has changed yet. If the source panics, the caller still has its block.
        heap.tend();
        heap.resize_or_extend(ptr, old, new)
    });
    resized.ok_or(AllocError)
}

/// Frees a block in the heap itself, bypassing caches that the [`SharedHeap`] has in front of it.
///
/// # Panics
///
/// As [`SharedHeap::free`] does.
///
/// # Safety
///
/// As for [`Talloc::free`].
#[inline(always)]
#[track_caller]
pub unsafe fn free_in_heap<H: SharedHeap + ?Sized>(heap: &H, ptr: NonNull<u8>, layout: Layout) {
    with_block(heap, Call::Free, ptr, layout, |heap| {
        // SAFETY: `ptr` is a block of this heap with this layout, which the caller gives up.
        unsafe { heap.free_known(ptr, layout) };
    });
}

/// Calls `f` with the heap. If the heap is checked, and `ptr` is not a block with this layout, returns `None` instead,
/// and reports it after the heap has been released.
#[inline(always)]
#[track_caller]
fn with_block<H: SharedHeap + ?Sized, T>(
    heap: &H,
    call: Call,
    ptr: NonNull<u8>,
    layout: Layout,
    f: impl FnOnce(&mut Talloc<H::Config, H::Source>) -> T,
) -> Option<T> {
    if !H::Config::CHECKED {
        return Some(heap.with(f));
    }
    let done = heap.with_reports(|heap| {
        if heap.is_closed() {
            Ok(None)
        } else if heap.knows(call, ptr, layout) {
            Ok(Some(f(heap)))
        } else {
            Err(heap.explain(call, ptr, layout))
        }
    });
    match done {
        Ok(done) => done,
        Err(misuse) => {
            // Not in a closure, whose location `track_caller` would report.
            H::Config::misuse(&misuse);
            None
        }
    }
}
