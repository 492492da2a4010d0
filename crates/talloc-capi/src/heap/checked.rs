//! Blocks whose size is found in the heap's bitmap.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicUsize, compiler_fence};

#[cfg(not(feature = "hardened"))]
use super::below::Checked;
use super::below::{
    Compact, Counters, Fault, Misuse, OnMisuse, SharedHeap, SizeClasses, SystemTallock, Violation,
};
#[cfg(feature = "hardened")]
use super::below::{Harden, Hardened, Measures, random_key};
use super::empty::EmptyBlocks;
use super::{Heap, MIN_ALIGN};
use crate::abort::{abort, abort_at};

/// A heap behind a lock that knows its blocks, and aborts a program that frees an invalid pointer.
///
/// Blocks of size zero are not in the heap, unless they have a larger alignment.
pub(crate) struct Checking {
    heap: SystemTallock<Level>,
    empty: EmptyBlocks,
}

/// The parameters of the checked heap.
#[cfg(not(feature = "hardened"))]
type Level = Checked<Compact, Aborts>;
#[cfg(feature = "hardened")]
type Level = Hardened<Compact, Protection, Aborts>;

/// The measures of the hardened library.
///
/// The canary behind a block also stores its size. Blocks of some KiB wait before they are reused, even in processes with
/// little memory. New and freed blocks are zeroed, because C programs often read uninitialised memory.
#[cfg(feature = "hardened")]
pub(crate) struct Protection;

#[cfg(feature = "hardened")]
impl Harden for Protection {
    const MEASURES: Measures = Measures {
        delay: 1 << 20,
        least_delay: 64 << 10,
        tails: true,
        even: true,
        fill: usize::MAX,
        filler: 0,
        fresh: Some(0),
        ..Measures::STANDARD
    };

    fn key() -> u64 {
        random_key()
    }
}

/// The layout of a block. A block takes a multiple of the alignment, so the next one is aligned, too. `None` if it is
/// too large.
#[inline(always)]
fn layout_for(size: usize, align: usize) -> Option<Layout> {
    let size = size.max(1);
    // The hardened heap itself rounds the size up, and knows the exact size.
    let is_exact = cfg!(feature = "hardened");
    let whole = if is_exact { size } else { size.checked_next_multiple_of(MIN_ALIGN)? };
    Layout::from_size_align(whole, align).ok()
}

/// Returns a layout of a block that is equivalent to the one it was allocated with.
#[inline(always)]
fn layout_of(size: usize) -> Layout {
    // SAFETY: A block of that size exists, and all blocks have this alignment.
    unsafe { Layout::from_size_align_unchecked(size, MIN_ALIGN) }
}

std::thread_local! {
    /// The number of nested functions of this file in which the thread is.
    static DEPTH: AtomicUsize = const { AtomicUsize::new(0) };
}

/// Marks that the thread is in a function that may hold the heap's lock, for signal handlers that interrupt it.
pub(crate) struct Inside(());

impl Inside {
    #[inline(always)]
    fn new() -> Self {
        DEPTH.with(|depth| depth.store(depth.load(Relaxed) + 1, Relaxed));
        // A handler runs in the same thread, so only the compiler could move taking the lock before this.
        compiler_fence(SeqCst);
        Self(())
    }

    /// Whether the thread is in such a function.
    #[cfg(feature = "checked")]
    pub(crate) fn is_any() -> bool {
        DEPTH.with(|depth| depth.load(Relaxed)) > 0
    }
}

impl Drop for Inside {
    #[inline(always)]
    fn drop(&mut self) {
        compiler_fence(SeqCst);
        DEPTH.with(|depth| depth.store(depth.load(Relaxed) - 1, Relaxed));
    }
}

/// A guard that keeps the heap locked.
#[cfg(feature = "checked")]
pub(crate) type CheckingGuard = super::below::Guard<Level>;

impl Checking {
    /// Locks the heap.
    #[cfg(feature = "checked")]
    pub(crate) fn lock(&'static self) -> CheckingGuard {
        self.heap.0.lock()
    }

    /// Allocates a block of size zero in inaccessible memory. `None` if the layout has another size or a larger alignment,
    /// or if there is no room; the block then comes from the heap.
    #[inline(always)]
    fn allocate_empty(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        if size == 0 && align == MIN_ALIGN { self.empty.allocate() } else { None }
    }

    /// Whether a block has size zero. Reports an error if the block has been freed.
    #[inline(always)]
    pub(super) fn is_empty(&self, doing: &str, block: NonNull<u8>) -> bool {
        self.empty.may_contain(block.addr().get()) && self.expect_empty(doing, block)
    }

    /// The slow path of [`is_empty`](Self::is_empty).
    #[cold]
    #[inline(never)]
    fn expect_empty(&self, doing: &str, block: NonNull<u8>) -> bool {
        let checked = self.empty.check(block.addr().get());
        checked.transpose().unwrap_or_else(|fault| abort_at(doing, block, fault)).is_some()
    }

    /// Frees a block of size zero. Returns false if it is not such a block.
    #[cold]
    #[inline(never)]
    fn free_empty(&self, block: NonNull<u8>) -> bool {
        let freed = self.empty.free(block.addr().get());
        freed.transpose().unwrap_or_else(|fault| abort_at("freeing", block, fault)).is_some()
    }

    /// Reallocates a block of size zero, unless there is no room.
    #[cold]
    #[inline(never)]
    fn resize_empty(&self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        let new = self.allocate(size, MIN_ALIGN)?;
        self.free_empty(block);
        Some(new)
    }

    /// [`Heap::allocate_zeroed`], with any alignment.
    #[inline(always)]
    pub(super) fn allocate_zeroed_aligned(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        let _inside = Inside::new();
        let layout = layout_for(size, align)?;
        // SAFETY: The size is not zero.
        NonNull::new(unsafe { self.heap.alloc_zeroed(layout) })
    }

    /// Returns the layout of a block. Reports an error if there is no such block.
    #[inline(always)]
    pub(super) fn layout(&self, doing: &str, block: NonNull<u8>) -> Layout {
        let size = self.heap.with(|heap| heap.inspect().size_of_block(block));
        size.map_or_else(|fault| abort_at(doing, block, fault), layout_of)
    }
}

impl Heap for Checking {
    const NEW: Self = Self { heap: SystemTallock::with_config(), empty: EmptyBlocks::new() };

    #[cfg(test)]
    const IS_OWN: bool = true;

    #[inline]
    fn allocate(&self, size: usize, align: usize) -> Option<NonNull<u8>> {
        if let Some(block) = self.allocate_empty(size, align) {
            return Some(block);
        }
        let _inside = Inside::new();
        self.heap.malloc(layout_for(size, align)?).ok()
    }

    #[inline]
    fn allocate_zeroed(&self, size: usize) -> Option<NonNull<u8>> {
        if let Some(block) = self.allocate_empty(size, MIN_ALIGN) {
            return Some(block);
        }
        self.allocate_zeroed_aligned(size, MIN_ALIGN)
    }

    #[inline]
    unsafe fn free(&self, block: NonNull<u8>) {
        if self.empty.may_contain(block.addr().get()) && self.free_empty(block) {
            return;
        }
        let _inside = Inside::new();
        let freed: Result<(), Fault> = self.heap.with(|heap| {
            let size = heap.inspect().size_of_block(block)?;
            // SAFETY: The block has this size, and the caller gives it up.
            unsafe { heap.free(block, layout_of(size)) };
            Ok(())
        });
        freed.unwrap_or_else(|fault| abort_at("freeing", block, fault));
    }

    unsafe fn free_sized(&self, block: NonNull<u8>, size: usize) {
        let is_empty = self.empty.may_contain(block.addr().get());
        let Some(layout) = layout_for(size, MIN_ALIGN).filter(|_| !(is_empty && size == 0)) else {
            // SAFETY: By the contract of this function, which is the same.
            return unsafe { self.free(block) };
        };
        let _inside = Inside::new();
        let freed: Result<(), Misuse> = self.heap.with(|heap| {
            heap.inspect().check(block, layout)?;
            // SAFETY: The block has this layout, and the caller gives it up.
            unsafe { heap.free(block, layout) };
            Ok(())
        });
        freed.unwrap_or_else(|misuse| abort_at("freeing", block, misuse.fault));
    }

    #[inline]
    unsafe fn resize(&self, block: NonNull<u8>, size: usize) -> Option<NonNull<u8>> {
        if self.is_empty("resizing", block) {
            return self.resize_empty(block, size);
        }
        let _inside = Inside::new();
        let new_size = layout_for(size, MIN_ALIGN)?.size();
        let layout = self.layout("resizing", block);
        // SAFETY: The block has this layout, and the caller owns it.
        NonNull::new(unsafe { self.heap.realloc(block.as_ptr(), layout, new_size) })
    }

    #[inline]
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        if self.is_empty("measuring", block) {
            return 0;
        }
        let _inside = Inside::new();
        self.layout("measuring", block).size()
    }

    fn trim(&self) {
        let _inside = Inside::new();
        self.heap.trim();
    }

    fn statistics(&self) -> Counters {
        let _inside = Inside::new();
        self.heap.statistics()
    }

    fn size_classes(&self) -> SizeClasses {
        let _inside = Inside::new();
        self.heap.size_classes()
    }

    fn verify(&self) -> Result<(), Violation> {
        let _inside = Inside::new();
        self.heap.verify().map(drop)
    }
}

/// Reports misuse, and aborts the program.
pub(crate) struct Aborts;

impl OnMisuse for Aborts {
    /// The block has just been checked, so this is called only if two threads free the same block at once.
    fn misuse(misuse: &Misuse) {
        abort(format_args!("{misuse}"));
    }
}
