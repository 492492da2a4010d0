//! The functions of `Allocator`, for whatever can [`Allocate`].

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use super::Allocate;
use super::unwinding::{Reason, without_unwinding};
use crate::error::AllocError;
use crate::misuse::Call;

/// Allocates a block, as `Allocator::allocate`.
///
/// For a size of zero, returns a dangling pointer that is aligned, and does not call the heap.
///
/// # Errors
///
/// If there is no memory for it.
#[inline]
pub fn allocate<A: Allocate>(heap: &A, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    let block = match layout.size() {
        0 => dangling(layout),
        _ => heap.allocate(layout)?,
    };
    Ok(NonNull::slice_from_raw_parts(block, layout.size()))
}

/// Allocates a block of zeros, as `Allocator::allocate_zeroed`. Clears the bytes that are not known to be zero after
/// the heap has been released.
///
/// # Errors
///
/// If there is no memory for it.
#[inline]
pub fn allocate_zeroed<A: Allocate>(heap: &A, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    if layout.size() == 0 {
        return allocate(heap, layout);
    }
    let (block, dirty) = heap.allocate_dirty(layout)?;
    // SAFETY: The block has at least as many bytes, and is nobody else's (1 of `Allocate`).
    unsafe { block.write_bytes(0, dirty) };
    Ok(NonNull::slice_from_raw_parts(block, layout.size()))
}

/// Frees a block, as `Allocator::deallocate`.
///
/// # Panics
///
/// By default, if the heap is [`Checked`](crate::Checked) and `ptr` is not a block with this layout.
///
/// # Safety
///
/// As for [`Allocate::deallocate`], or the layout's size is zero.
#[inline]
#[track_caller]
pub unsafe fn deallocate<A: Allocate>(heap: &A, ptr: NonNull<u8>, layout: Layout) {
    if layout.size() != 0 {
        // SAFETY: The caller gives up the block, which has this layout.
        unsafe { heap.deallocate(ptr, layout) }
    }
}

/// Makes a block larger, as `Allocator::grow`. The alignment may change.
///
/// # Errors
///
/// If there is no memory for it. The block is then unchanged.
///
/// # Panics
///
/// By default, if the heap is [`Checked`](crate::Checked) and `ptr` is not a block with this layout.
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`, whose size is at most that of `new`.
///
/// # Examples
///
#[cfg_attr(feature = "spin", doc = "```")]
#[cfg_attr(not(feature = "spin"), doc = "```ignore")]
/// use core::alloc::Layout;
/// use talloc_core::{Talloc, Tallock, shared};
///
/// static HEAP: Tallock = Talloc::new().spin_lock();
/// static mut ARENA: [u8; 10_000] = [0; 10_000];
///
/// let (small, large) = (Layout::new::<[u8; 8]>(), Layout::new::<[u64; 100]>());
/// // SAFETY: Nothing else uses the array. The block has the layout that was last passed, and is freed once.
/// unsafe {
///     HEAP.0.lock().init((&raw mut ARENA).into());
///     let block = shared::allocate(&HEAP, small)?.cast();
///     let block = shared::grow(&HEAP, block, small, large)?.cast();
///     let block = shared::shrink(&HEAP, block, large, small)?.cast();
///     shared::deallocate(&HEAP, block, small);
/// }
/// # Ok::<(), talloc_core::AllocError>(())
/// ```
#[inline]
#[track_caller]
pub unsafe fn grow<A: Allocate>(
    heap: &A,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: `ptr` is a block with the layout `old`, by the contract of this function.
    unsafe { change(heap, ptr, old, new) }
}

/// [`grow`] that clears the bytes it adds, as `Allocator::grow_zeroed`.
///
/// # Errors
///
/// As for [`grow`].
///
/// # Panics
///
/// By default, if the heap is [`Checked`](crate::Checked) and `ptr` is not a block with this layout.
///
/// # Safety
///
/// As for [`grow`].
#[inline]
#[track_caller]
pub unsafe fn grow_zeroed<A: Allocate>(
    heap: &A,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: `ptr` is a block with the layout `old`, and the new size is not below the old one.
    let block = unsafe { grow(heap, ptr, old, new) }?;
    // SAFETY: The new size is that of the block, and not below the old one.
    unsafe { block.cast::<u8>().add(old.size()).write_bytes(0, new.size() - old.size()) };
    Ok(block)
}

/// Makes a block smaller, as `Allocator::shrink`. The alignment may change, for which the block may
/// have to move.
///
/// # Errors
///
/// Only if the block must move and there is no room for it. The block is then unchanged.
///
/// # Panics
///
/// By default, if the heap is [`Checked`](crate::Checked) and `ptr` is not a block with this layout.
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`, whose size is at least that of `new`.
#[inline]
#[track_caller]
pub unsafe fn shrink<A: Allocate>(
    heap: &A,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: `ptr` is a block with the layout `old`, by the contract of this function.
    unsafe { change(heap, ptr, old, new) }
}

/// Gives a block another layout, in place or by moving it.
///
/// # Errors
///
/// As for [`Allocate::resize`], or if the block must move for its alignment.
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`.
#[inline]
#[track_caller]
unsafe fn change<A: Allocate>(
    heap: &A,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: `ptr` is a block with the layout `old`, by the contract of this function.
    let block = unsafe {
        if old.size() == 0 || new.size() == 0 || !is_aligned(ptr, new) {
            relocate(heap, ptr, old, new)
        } else {
            heap.resize(ptr, old, new)
        }
    };
    Ok(NonNull::slice_from_raw_parts(block?, new.size()))
}

/// A block moves.
struct Moves;

impl Reason for Moves {
    const MESSAGE: &'static str = "a source must not panic when a block moves";
}

/// Moves a block to a new one. Copies as many bytes as fit.
///
/// # Errors
///
/// If there is no memory for the new one. The old block is then unchanged.
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`.
#[inline(never)]
#[track_caller]
pub(super) unsafe fn relocate<A: Allocate>(
    heap: &A,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<u8>, AllocError> {
    if A::CHECKED && old.size() != 0 {
        // A wrong block is reported before it is read.
        let call = Call::resize(old.size(), new.size());
        if !heap.check(call, ptr.as_ptr(), old) {
            return Err(AllocError);
        }
    }
    let block = allocate(heap, new)?.cast::<u8>();
    // SAFETY: Both blocks have as many bytes, and are different ones; the old one is the caller's
    // until it is freed.
    unsafe {
        block.copy_from_nonoverlapping(ptr, old.size().min(new.size()));
        // The old block is gone. If this unwound, the caller would not know that.
        without_unwinding::<Moves, _>(|| deallocate(heap, ptr, old));
    }
    Ok(block)
}

/// Whether a block has the alignment of `layout`.
#[inline(always)]
fn is_aligned(ptr: NonNull<u8>, layout: Layout) -> bool {
    ptr.addr().get() & (layout.align() - 1) == 0
}

/// A dangling pointer with the alignment of `layout`.
#[inline(always)]
fn dangling(layout: Layout) -> NonNull<u8> {
    // SAFETY: An alignment is not zero.
    unsafe { NonNull::new_unchecked(ptr::without_provenance_mut(layout.align())) }
}
