//! The methods of [`GlobalAlloc`](core::alloc::GlobalAlloc).
//!
//! They must not unwind. If a [`Source`](crate::Source), the handler of a [`Checked`](crate::Checked) heap or a lock
//! panics, the program is aborted.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use super::Allocate;
use super::unwinding::{Reason, without_unwinding};
use crate::misuse::Call;

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
pub unsafe fn alloc<A: Allocate>(heap: &A, layout: Layout) -> *mut u8 {
    let block = without_unwinding::<Global, _>(|| heap.allocate(layout));
    block.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Allocates a block of zeros, or returns null.
///
/// # Safety
///
/// As for `GlobalAlloc::alloc_zeroed`.
#[inline]
pub unsafe fn alloc_zeroed<A: Allocate>(heap: &A, layout: Layout) -> *mut u8 {
    let block = without_unwinding::<Global, _>(|| super::allocate_zeroed(heap, layout));
    block.map_or(ptr::null_mut(), |block| block.as_ptr().cast())
}

/// Frees a block.
///
/// # Safety
///
/// As for `GlobalAlloc::dealloc`.
#[inline]
pub unsafe fn dealloc<A: Allocate>(heap: &A, ptr: *mut u8, layout: Layout) {
    without_unwinding::<Global, _>(|| {
        if let Some(block) = block(heap, Call::Free, ptr, layout) {
            // SAFETY: The caller gives up the block, which has this layout.
            unsafe { heap.deallocate(block, layout) }
        }
    });
}

/// Changes the size of a block, or returns null.
///
/// # Safety
///
/// As for `GlobalAlloc::realloc`.
#[inline]
pub unsafe fn realloc<A: Allocate>(
    heap: &A,
    ptr: *mut u8,
    layout: Layout,
    new_size: usize,
) -> *mut u8 {
    // SAFETY: The size, rounded up to the alignment, is at most `isize::MAX`, as `realloc` requires.
    let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    without_unwinding::<Global, _>(|| {
        let Some(block) = block(heap, Call::Grow { new_size }, ptr, layout) else {
            return ptr::null_mut();
        };
        // SAFETY: It is a block with this layout. The alignment is the same, and neither size is zero.
        let block = unsafe { heap.resize(block, layout, new) };
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    })
}

/// The block as a pointer that is not null. A checked heap reports a null pointer.
#[inline(always)]
fn block<A: Allocate>(heap: &A, call: Call, ptr: *mut u8, layout: Layout) -> Option<NonNull<u8>> {
    if A::CHECKED && ptr.is_null() {
        heap.check(call, ptr, layout);
        return None;
    }
    // SAFETY: A block is never null.
    Some(unsafe { NonNull::new_unchecked(ptr) })
}

/// Implements [`GlobalAlloc`](core::alloc::GlobalAlloc) for a type, by the functions of this module. `$heap` is an
/// expression for something that can [`Allocate`], in terms of a reference `$it` to the type.
///
/// # Safety
///
/// For a value of the type, `$heap` is the same heap each time. That stays, with all blocks, as long as the value can be
/// used.
#[doc(hidden)]
#[macro_export]
macro_rules! global_alloc {
    (unsafe impl[$($generics:tt)*] for $type:ty, |$it:ident| $heap:expr) => {
        // SAFETY: Whoever uses the macro says that it is the same heap each time. By the contract of `Allocate`, blocks
        // are as the layout asks and stay valid until they are freed. The functions of `global` do not unwind.
        unsafe impl<$($generics)*> ::core::alloc::GlobalAlloc for $type {
            #[inline]
            unsafe fn alloc(&self, layout: ::core::alloc::Layout) -> *mut u8 {
                let $it = self;
                // SAFETY: The contract is the same.
                unsafe { $crate::shared::global::alloc($heap, layout) }
            }

            #[inline]
            unsafe fn alloc_zeroed(&self, layout: ::core::alloc::Layout) -> *mut u8 {
                let $it = self;
                // SAFETY: The contract is the same.
                unsafe { $crate::shared::global::alloc_zeroed($heap, layout) }
            }

            #[inline]
            unsafe fn dealloc(&self, ptr: *mut u8, layout: ::core::alloc::Layout) {
                let $it = self;
                // SAFETY: The contract is the same.
                unsafe { $crate::shared::global::dealloc($heap, ptr, layout) }
            }

            #[inline]
            unsafe fn realloc(
                &self,
                ptr: *mut u8,
                layout: ::core::alloc::Layout,
                new_size: usize,
            ) -> *mut u8 {
                let $it = self;
                // SAFETY: The contract is the same.
                unsafe { $crate::shared::global::realloc($heap, ptr, layout, new_size) }
            }
        }
    };
}
