//! Allocating, freeing and resizing the blocks of a [`SharedHeap`].

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use super::SharedHeap;
use super::unwinding::{Reason, without_unwinding};
use crate::config::Config;
use crate::error::AllocError;
use crate::misuse::Call;
use crate::talloc::Talloc;

/// Allocates a block, as `Allocator::allocate`.
///
/// For a size of zero, a dangling pointer that is aligned; the heap is not asked.
///
/// # Errors
///
/// As for [`Talloc::malloc`].
#[inline]
pub fn allocate<H: SharedHeap>(heap: &H, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    let block = match layout.size() {
        0 => dangling(layout),
        _ => heap.malloc(layout)?,
    };
    Ok(NonNull::slice_from_raw_parts(block, layout.size()))
}

/// Allocates a block of zeros, as `Allocator::allocate_zeroed`. Clears it outside of the guard, as far as it is not
/// known to be zero.
///
/// # Errors
///
/// As for [`Talloc::malloc`].
#[inline]
pub fn allocate_zeroed<H: SharedHeap>(
    heap: &H,
    layout: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    if layout.size() == 0 {
        return allocate(heap, layout);
    }
    let (block, dirty) = heap.malloc_dirty(layout)?;
    // SAFETY: The block has at least as many bytes, and is nobody else's (2).
    unsafe { block.write_bytes(0, dirty) };
    Ok(NonNull::slice_from_raw_parts(block, layout.size()))
}

/// Frees a block, as `Allocator::deallocate`.
///
/// # Panics
///
/// As [`SharedHeap::free`] does.
///
/// # Safety
///
/// As for [`Talloc::free`], or the layout's size is zero.
#[inline]
#[track_caller]
pub unsafe fn deallocate<H: SharedHeap>(heap: &H, ptr: NonNull<u8>, layout: Layout) {
    if layout.size() != 0 {
        // SAFETY: As the caller says.
        unsafe { heap.free(ptr, layout) }
    }
}

/// Frees a block in the heap itself, whatever the [`SharedHeap`] has in front of it.
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

/// Makes a block larger, as `Allocator::grow`. The alignment may change.
///
/// # Errors
///
/// As for [`Talloc::malloc`]. The block is as it was then.
///
/// # Panics
///
/// As [`SharedHeap::free`] does.
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`, whose size is at most that of `new`.
#[inline]
#[track_caller]
pub unsafe fn grow<H: SharedHeap>(
    heap: &H,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: As the caller says.
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
/// As [`SharedHeap::free`] does.
///
/// # Safety
///
/// As for [`grow`].
#[inline]
#[track_caller]
pub unsafe fn grow_zeroed<H: SharedHeap>(
    heap: &H,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: As the caller says.
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
/// Only if the block must move and there is no room for it. It is as it was then.
///
/// # Panics
///
/// As [`SharedHeap::free`] does.
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`, whose size is at least that of `new`.
#[inline]
#[track_caller]
pub unsafe fn shrink<H: SharedHeap>(
    heap: &H,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: As the caller says.
    unsafe { change(heap, ptr, old, new) }
}

/// Gives a block another layout, where it is or by moving it.
///
/// # Errors
///
/// As for [`resize`], or if the block must move for its alignment.
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`.
#[inline]
#[track_caller]
unsafe fn change<H: SharedHeap>(
    heap: &H,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: As the caller says.
    unsafe {
        if old.size() == 0 || new.size() == 0 || !is_aligned(ptr, new) {
            relocate(heap, ptr, old, new)
        } else {
            resize(heap, ptr, old, new)
        }
    }
}

/// Changes the size of a block that is aligned as `new` asks, where it is or by moving it.
///
/// # Errors
///
/// As for [`grow`]. If the new size is the smaller one, only if the block must move because one of the
/// two is kept [apart](SharedHeap::resize_apart) from the arenas.
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`, and neither size is zero.
#[inline]
#[track_caller]
pub(super) unsafe fn resize<H: SharedHeap>(
    heap: &H,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    if heap.rather_moves(old, new) {
        // SAFETY: As the caller says. If there is no room, the block may change where it is.
        if let Ok(block) = unsafe { relocate(heap, ptr, old, new) } {
            return Ok(block);
        }
        heap.with(Talloc::forget_refusal);
    }
    // SAFETY: As the caller says.
    if let Some(resized) = unsafe { resize_apart(heap, ptr, old, new) } {
        return resized;
    }
    let call = Call::resize(old.size(), new.size());
    // SAFETY: As the caller says, and the block is aligned for both.
    let resized = with_block(heap, call, ptr, old, |heap| unsafe {
        // Before anything has changed: should the source panic, the caller has the block that it had.
        heap.tend();
        heap.resize_or_extend(ptr, old, new)
    });
    match resized.ok_or(AllocError)? {
        Ok(block) => Ok(NonNull::slice_from_raw_parts(block, new.size())),
        // SAFETY: As the caller says. Only to grow can have failed.
        Err(AllocError) => unsafe { relocate(heap, ptr, old, new) },
    }
}

/// Calls `f` with the heap, unless that is checked and `ptr` is no block of it that `layout`
/// describes. That is reported when the heap has been let go, and `None` returned.
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
    let done = heap.with(|heap| {
        if heap.knows(call, ptr, layout) {
            Ok(f(heap))
        } else {
            Err(heap.explain(call, ptr, layout))
        }
    });
    match done {
        Ok(done) => Some(done),
        Err(misuse) => {
            // Not in a closure, which would be the caller.
            H::Config::misuse(&misuse);
            None
        }
    }
}

/// Changes the size of a block that is kept apart from the arenas, or that is to be, by moving it if
/// need be. `None` if it is neither.
///
/// # Errors
///
/// As for [`grow`].
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`.
#[inline(always)]
#[track_caller]
unsafe fn resize_apart<H: SharedHeap>(
    heap: &H,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Option<Result<NonNull<[u8]>, AllocError>> {
    // SAFETY: As the caller says.
    let resized = unsafe { heap.resize_apart(ptr, old, new) }?;
    Some(match resized {
        Ok(block) => Ok(NonNull::slice_from_raw_parts(block, new.size())),
        // SAFETY: As the caller says.
        Err(AllocError) => unsafe { relocate(heap, ptr, old, new) },
    })
}

/// A block moves.
struct Moves;

impl Reason for Moves {
    const MESSAGE: &'static str = "a source must not panic when a block moves";
}

/// Moves what fits of a block to a new one.
///
/// # Errors
///
/// As for [`grow`].
///
/// # Safety
///
/// `ptr` is a block that was allocated with `old`.
#[inline(never)]
#[track_caller]
unsafe fn relocate<H: SharedHeap>(
    heap: &H,
    ptr: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    if H::Config::CHECKED && old.size() != 0 {
        // Before it is read.
        let call = Call::resize(old.size(), new.size());
        with_block(heap, call, ptr, old, |_| ()).ok_or(AllocError)?;
    }
    let block = allocate(heap, new)?;
    // SAFETY: Both blocks have as many bytes, and are different ones; the old one is the caller's
    // until it is freed.
    unsafe {
        block.cast().copy_from_nonoverlapping(ptr, old.size().min(new.size()));
        // The old block is gone, which a caller would not know that this unwinds to.
        without_unwinding::<Moves, _>(|| deallocate(heap, ptr, old));
    }
    Ok(block)
}

/// Whether a block is aligned as `layout` asks.
#[inline(always)]
fn is_aligned(ptr: NonNull<u8>, layout: Layout) -> bool {
    ptr.addr().get() & (layout.align() - 1) == 0
}

/// A pointer to no bytes that is aligned as `layout` asks.
#[inline(always)]
fn dangling(layout: Layout) -> NonNull<u8> {
    // SAFETY: An alignment is not zero.
    unsafe { NonNull::new_unchecked(ptr::without_provenance_mut(layout.align())) }
}
