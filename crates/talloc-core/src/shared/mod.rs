//! Blocks through a shared reference, as the allocator traits have them.
//!
//! A heap behind a lock or in a cell is a [`SharedHeap`], and so can [`Allocate`]. `GlobalAlloc` and `Allocator` are
//! implemented once, in terms of that. A block of a `SharedHeap` that has to move is copied in one place, outside of
//! the guard.
//!
//! These functions rely on the heap's answers: how large a block is, and how much of it is zero. Both traits are
//! therefore `unsafe` to implement.

mod allocate;
mod allocator_api;
mod blocks;
pub mod global;
mod in_heap;
mod unwinding;

pub use allocate::Allocate;
#[doc(hidden)]
pub use allocator_api::versions;
pub use blocks::{allocate, allocate_zeroed, deallocate, grow, grow_zeroed, shrink};
pub use in_heap::free_in_heap;

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::config::{Config, Level};
use crate::error::AllocError;
use crate::report::{Report, Violation};
use crate::size_classes::SizeClasses;
use crate::source::Source;
use crate::statistics::Statistics;
use crate::talloc::Talloc;

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
///
/// # Examples
///
#[cfg_attr(feature = "spin", doc = "```")]
#[cfg_attr(not(feature = "spin"), doc = "```ignore")]
/// use core::alloc::Layout;
/// use talloc_core::{AllocError, SharedHeap, Talloc, Tallock};
///
/// /// Allocates and frees a block of any shared heap, and returns how many bytes it took.
/// fn bytes_of(heap: &impl SharedHeap, layout: Layout) -> Result<usize, AllocError> {
///     let before = heap.used_bytes();
///     let block = heap.malloc(layout)?;
///     let bytes = heap.used_bytes() - before;
///     // SAFETY: The block is freed once, with its layout.
///     unsafe { heap.free(block, layout) };
///     Ok(bytes)
/// }
///
/// static HEAP: Tallock = Talloc::new().spin_lock();
/// static mut ARENA: [u8; 10_000] = [0; 10_000];
///
/// // SAFETY: Nothing else uses the array.
/// unsafe { HEAP.with(|heap| heap.init((&raw mut ARENA).into())) };
/// assert_eq!(bytes_of(&HEAP, Layout::new::<[u8; 37]>())?, 40);
/// # Ok::<(), AllocError>(())
/// ```
pub unsafe trait SharedHeap {
    /// The heap's parameters.
    type Config: Config;
    /// The heap's source of memory.
    type Source: Source<Self::Config>;

    /// Calls `f` with the heap, while nobody else has it.
    fn with<T>(&self, f: impl FnOnce(&mut Talloc<Self::Config, Self::Source>) -> T) -> T;

    /// [`with`](Self::with), and reports what a hardened heap has found meanwhile, when the heap is released.
    #[doc(hidden)]
    #[inline(always)]
    #[track_caller]
    fn with_reports<T>(&self, f: impl FnOnce(&mut Talloc<Self::Config, Self::Source>) -> T) -> T {
        if !Self::Config::HARDENED {
            return self.with(f);
        }
        let (result, found) = self.with(|heap| {
            heap.hush();
            let result = f(heap);
            let found = heap.unhush();
            if found.is_some() {
                heap.reopen();
            }
            (result, found)
        });
        if let Some(misuse) = found {
            Self::Config::misuse(&misuse);
        }
        result
    }

    /// Allocates a block, as [`Talloc::malloc`].
    ///
    /// # Errors
    ///
    /// As for [`Talloc::malloc`].
    #[inline(always)]
    fn malloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `Talloc::malloc` has no preconditions.
        unsafe { self.with_reports(|heap| heap.malloc(layout)) }
    }

    /// Allocates a block, and tells how many of its first bytes are not known to be zero, as
    /// [`Backend::malloc_dirty`](crate::Backend::malloc_dirty).
    ///
    /// # Errors
    ///
    /// As for [`Talloc::malloc`].
    #[inline(always)]
    fn malloc_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        // SAFETY: `Backend::malloc_dirty` has no preconditions.
        unsafe { self.with_reports(|heap| heap.backend().malloc_dirty(layout)) }
    }

    /// Frees a block, as [`Talloc::free`] does. A checked heap reports a misuse.
    ///
    /// # Panics
    ///
    /// By default, if the heap is [`Checked`](crate::Checked) and `ptr` is not a block with this layout.
    ///
    /// # Safety
    ///
    /// As for [`Talloc::free`].
    #[inline(always)]
    #[track_caller]
    unsafe fn free(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: `ptr` is a block of this heap with this layout, which the caller gives up.
        unsafe { free_in_heap(self, ptr, layout) }
    }

    /// Gives back memory that the heap does not need, as [`Talloc::trim`] does. Caches in front of the heap are emptied
    /// first.
    #[cold]
    fn trim(&self) {
        self.with_reports(Talloc::trim);
    }

    /// The counters of the heap at one point of time, including caches in front of it: see
    /// [`Inspect::statistics`](crate::Inspect::statistics).
    ///
    /// The heap is released before this returns, so the result can be printed even if the heap is the global allocator.
    fn statistics(&self) -> Statistics {
        self.with(|heap| heap.inspect().statistics())
    }

    /// Bytes of all blocks that are allocated from the arenas: see [`Inspect::used_bytes`](crate::Inspect::used_bytes).
    fn used_bytes(&self) -> usize {
        self.with(|heap| heap.inspect().used_bytes())
    }

    /// Bytes of the arenas that are free: see [`Inspect::free_bytes`](crate::Inspect::free_bytes).
    fn free_bytes(&self) -> usize {
        self.with(|heap| heap.inspect().free_bytes())
    }

    /// The most bytes of the arenas that have been in use at once: see
    /// [`Inspect::peak_bytes`](crate::Inspect::peak_bytes).
    fn peak_bytes(&self) -> usize {
        self.with(|heap| heap.inspect().peak_bytes())
    }

    /// Bytes of the largest free chunk: see [`Inspect::largest_free_bytes`](crate::Inspect::largest_free_bytes).
    fn largest_free_bytes(&self) -> usize {
        self.with(|heap| heap.inspect().largest_free_bytes())
    }

    /// What the heap holds, by size: see [`Inspect::size_classes`](crate::Inspect::size_classes). Blocks that are
    /// cached in front of the heap count as used.
    fn size_classes(&self) -> SizeClasses {
        self.with(|heap| heap.inspect().size_classes())
    }

    /// Checks every invariant of the heap, and counts its chunks: see [`Talloc::verify`].
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found. Do not use such a heap any more.
    fn verify(&self) -> Result<Report, Violation> {
        self.with(|heap| heap.verify())
    }

    /// Gives a block outside of the heap's arenas a new layout, if that is possible without copying it. Returns `None`
    /// if the block is in an arena, and would be with the new layout.
    ///
    /// # Errors
    ///
    /// If the block has to move. It is then unchanged.
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

    /// Whether a block should move even if it could change its size in place.
    #[inline(always)]
    fn rather_moves(&self, _old: Layout, _new: Layout) -> bool {
        false
    }
}
