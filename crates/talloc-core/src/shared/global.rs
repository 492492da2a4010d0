//! What [`GlobalAlloc`](core::alloc::GlobalAlloc) asks for.
//!
//! Its methods must not unwind. What could, a [`Source`](crate::Source), the handler of a
//! [`Checked`](crate::Checked) heap or a lock, aborts the program if it does.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use super::SharedHeap;
use super::unwinding::{Reason, without_unwinding};
use crate::config::Config;
use crate::misuse::{Call, Fault, Misuse};

/// The contract of `GlobalAlloc`.
struct Global;

impl Reason for Global {
    const MESSAGE: &'static str = "a global allocator must not unwind";
}

/// Allocates a block, or returns null.
///
/// # Safety
///
/// As for `GlobalAlloc::alloc`.
#[inline]
pub unsafe fn alloc<H: SharedHeap>(heap: &H, layout: Layout) -> *mut u8 {
    let block = without_unwinding::<Global, _>(|| heap.malloc(layout));
    block.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Allocates a block of zeros, or returns null.
///
/// # Safety
///
/// As for `GlobalAlloc::alloc_zeroed`.
#[inline]
pub unsafe fn alloc_zeroed<H: SharedHeap>(heap: &H, layout: Layout) -> *mut u8 {
    let block = without_unwinding::<Global, _>(|| super::allocate_zeroed(heap, layout));
    block.map_or(ptr::null_mut(), |block| block.as_ptr().cast())
}

/// Frees a block.
///
/// # Safety
///
/// As for `GlobalAlloc::dealloc`.
#[inline]
pub unsafe fn dealloc<H: SharedHeap>(heap: &H, ptr: *mut u8, layout: Layout) {
    without_unwinding::<Global, _>(|| {
        if let Some(block) = block::<H::Config>(Call::Free, ptr, layout) {
            // SAFETY: As the caller says.
            unsafe { heap.free(block, layout) }
        }
    });
}

/// Changes the size of a block, or returns null.
///
/// # Safety
///
/// As for `GlobalAlloc::realloc`.
#[inline]
pub unsafe fn realloc<H: SharedHeap>(
    heap: &H,
    ptr: *mut u8,
    layout: Layout,
    new_size: usize,
) -> *mut u8 {
    // SAFETY: The caller says that the size, rounded up to the alignment, is at most `isize::MAX`.
    let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    without_unwinding::<Global, _>(|| {
        let Some(block) = block::<H::Config>(Call::Grow { new_size }, ptr, layout) else {
            return ptr::null_mut();
        };
        // SAFETY: As the caller says: the alignment is the same, and neither size is zero.
        let block = unsafe { super::blocks::resize(heap, block, layout, new) };
        block.map_or(ptr::null_mut(), |block| block.as_ptr().cast())
    })
}

/// What the caller says is a block. In a checked heap, null is reported.
#[inline(always)]
fn block<C: Config>(call: Call, ptr: *mut u8, layout: Layout) -> Option<NonNull<u8>> {
    if C::CHECKED && ptr.is_null() {
        C::misuse(&Misuse { call, addr: 0, layout, fault: Fault::Foreign });
        return None;
    }
    // SAFETY: A block is never null.
    Some(unsafe { NonNull::new_unchecked(ptr) })
}
