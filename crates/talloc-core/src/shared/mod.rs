//! A heap behind a shared reference: what the allocator traits ask for, in terms of a heap that is
//! reached through a guard.
//!
//! Locks and cells implement [`SharedHeap`], and their trait implementations call these functions.
//! So a block that has to move is copied in one place, and outside of the guard.
//!
//! These functions rely on what the heap answers: how large a block is, and how much of it is zero. So the
//! trait is `unsafe` to implement.

pub mod global;
mod unwinding;

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use crate::config::Config;
use crate::error::AllocError;
use crate::misuse::Call;
use crate::size_classes::SizeClasses;
use crate::source::Source;
use crate::statistics::Statistics;
use crate::talloc::Talloc;
use unwinding::{Reason, without_unwinding};

/// A heap that is reached through a shared reference.
///
/// # Safety
///
/// 1. [`with`](Self::with) calls `f` with the same heap each time, as long as any block of it is allocated,
///    and no other reference to that heap is used until `f` returns.
/// 2. A block that [`malloc`](Self::malloc) or [`malloc_dirty`](Self::malloc_dirty) returns has the
///    layout's size and alignment and is nobody else's until it is passed to [`free`](Self::free) or
///    moved. All bytes from `malloc_dirty`'s number on are zero, which is at most the layout's size.
/// 3. [`resize_apart`](Self::resize_apart) answers `None` for each block that is the heap's own. If it
///    returns a block, that has the new layout, and the old contents as far as they fit.
///
/// The provided methods keep to 2 and 3 if `with` keeps to 1.
pub unsafe trait SharedHeap {
    /// The heap's parameters.
    type Config: Config;
    /// The heap's source of memory.
    type Source: Source<Self::Config>;

    /// Calls `f` with the heap, while nobody else has it.
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<Self::Config, Self::Source>) -> T) -> T;

    /// Allocates a block, as [`Talloc::malloc`].
    ///
    /// # Errors
    ///
    /// As for [`Talloc::malloc`].
    #[inline(always)]
    fn malloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `Talloc::malloc` has no preconditions.
        unsafe { self.with(|heap| heap.malloc(layout)) }
    }

    /// Allocates a block, and tells how many of its first bytes are not known to be zero, as
    /// [`Talloc::malloc_dirty`].
    ///
    /// # Errors
    ///
    /// As for [`Talloc::malloc`].
    #[inline(always)]
    fn malloc_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        // SAFETY: `Talloc::malloc_dirty` has no preconditions.
        unsafe { self.with(|heap| heap.malloc_dirty(layout)) }
    }

    /// Frees a block, as [`Talloc::free`]; what a checked heap finds wrong is reported.
    ///
    /// # Panics
    ///
    /// By default, if the heap is [`Checked`](crate::Checked) and the block is not as the layout says.
    ///
    /// # Safety
    ///
    /// As for [`Talloc::free`].
    #[inline(always)]
    #[track_caller]
    unsafe fn free(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: As the caller says.
        unsafe { free_in_heap(self, ptr, layout) }
    }

    /// Gives back what the heap does not need, as [`Talloc::trim`]; what is in front of the heap is
    /// emptied before.
    #[cold]
    fn trim(&self) {
        self.with(Talloc::trim);
    }

    /// All that is counted, of one point of time, with what is in front of the heap: see
    /// [`Talloc::statistics`].
    ///
    /// It can be printed when this has returned, also by a program whose global allocator this is.
    fn statistics(&self) -> Statistics {
        self.with(|heap| heap.statistics())
    }

    /// Bytes of all blocks that are allocated from the arenas: see [`Talloc::used_bytes`].
    fn used_bytes(&self) -> usize {
        self.with(|heap| heap.used_bytes())
    }

    /// Bytes of the arenas that are free: see [`Talloc::free_bytes`].
    fn free_bytes(&self) -> usize {
        self.with(|heap| heap.free_bytes())
    }

    /// The most bytes of the arenas that have been in use at once: see [`Talloc::peak_bytes`].
    fn peak_bytes(&self) -> usize {
        self.with(|heap| heap.peak_bytes())
    }

    /// Bytes of the largest free chunk: see [`Talloc::largest_free_bytes`].
    fn largest_free_bytes(&self) -> usize {
        self.with(|heap| heap.largest_free_bytes())
    }

    /// What the heap holds, by size: see [`Talloc::size_classes`]. What is cached in front of the heap counts as
    /// used.
    fn size_classes(&self) -> SizeClasses {
        self.with(|heap| heap.size_classes())
    }

    /// Gives a block the new layout that is kept apart from the heap's arenas, if that can be done
    /// without copying it. `None` if the block is the heap's own, before and afterwards.
    ///
    /// # Errors
    ///
    /// If it has to move. It is as it was then.
    ///
    /// # Safety
    ///
    /// `ptr` is a block that was allocated with `old`.
    #[inline(always)]
    unsafe fn resize_apart(
        &self,
        _ptr: NonNull<u8>,
        _old: Layout,
        _new: Layout,
    ) -> Option<Result<NonNull<u8>, AllocError>> {
        None
    }

    /// Whether a block should rather move than change its size where it is.
    #[inline(always)]
    fn rather_moves(&self, _old: Layout, _new: Layout) -> bool {
        false
    }
}

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

/// Allocates a block of zeros, as `Allocator::allocate_zeroed`. What of
/// it must be cleared is, outside of the guard.
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
unsafe fn resize<H: SharedHeap>(
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
