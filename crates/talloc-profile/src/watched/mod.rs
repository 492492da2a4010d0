//! An allocator whose blocks memcheck and heaptrack see.

mod heaptrack;
mod quarantine;
mod requests;

use heaptrack::Heaptrack;
use quarantine::{Freed, Quarantine};
use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// An allocator that passes every request on to `A`, and reports each block to memcheck or heaptrack, if the
/// program runs under one of them.
///
/// Both tools know the allocator of the C library. They take the memory of any other allocator for a few large
/// blocks. With `Watched`, memcheck finds uses after free, accesses out of bounds, uses of uninitialised memory,
/// double frees and leaks, and heaptrack shows call sites.
///
/// Do not use it with [`System`](std::alloc::System): the tools would count its blocks twice.
///
/// # Under memcheck
///
/// Each block has a red zone of at least 16 bytes on either side. A freed block stays in quarantine until 4096 more
/// blocks, or 64 MiB, have been freed. `realloc` always moves a block.
///
/// # Cost
///
/// Without these tools, a call costs a load and a branch. Available on Linux, x86-64 and AArch64, with the feature
/// `valgrind`.
///
/// # Examples
///
/// ```no_run
/// use std::alloc::{GlobalAlloc, Layout};
/// use talloc_profile::Watched;
///
/// # struct Heap;
/// # impl Heap { const fn new() -> Self { Self } }
/// # unsafe impl GlobalAlloc for Heap {
/// #     unsafe fn alloc(&self, layout: Layout) -> *mut u8 { std::ptr::null_mut() }
/// #     unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {}
/// # }
/// #[global_allocator]
/// static ALLOCATOR: Watched<Heap> = Watched::new(Heap::new());
/// ```
pub struct Watched<A> {
    inner: A,
    quarantine: Mutex<Quarantine>,
}

/// Who watches this process; 0 until that has been found out.
static WATCHER: AtomicU8 = AtomicU8::new(0);

const NOBODY: u8 = 1;
const MEMCHECK: u8 = 2;
const HEAPTRACK: u8 = 3;

#[inline]
fn watcher() -> u8 {
    match WATCHER.load(Relaxed) {
        0 => find_watcher(),
        known => known,
    }
}

/// Finds out, the same in each thread that does.
#[cold]
fn find_watcher() -> u8 {
    let watcher = if requests::is_running() {
        MEMCHECK
    } else if Heaptrack::find().is_some() {
        HEAPTRACK
    } else {
        NOBODY
    };
    WATCHER.store(watcher, Relaxed);
    watcher
}

/// The least bytes on either side of a block that nobody may use.
const RED_ZONE: usize = 16;

/// Bytes before a block.
fn lead(layout: Layout) -> usize {
    layout.align().max(RED_ZONE)
}

/// A block with what lies on either side; none if that is too large.
fn around(layout: Layout) -> Option<Layout> {
    let size = layout.size().checked_add(lead(layout) + RED_ZONE)?;
    Layout::from_size_align(size, layout.align()).ok()
}

impl<A> Watched<A> {
    /// An allocator around `inner`.
    pub const fn new(inner: A) -> Self {
        Self { inner, quarantine: Mutex::new(Quarantine::new()) }
    }

    /// The allocator that requests are passed on to.
    pub fn inner(&self) -> &A {
        &self.inner
    }
}

impl<A: GlobalAlloc> Watched<A> {
    /// Allocates a block and tells who watches of it.
    #[cold]
    #[inline(never)]
    fn alloc_watched(&self, layout: Layout, is_zeroed: bool) -> *mut u8 {
        let alloc = |layout| {
            // SAFETY: The size is not zero, as that of `layout` is not.
            unsafe {
                if is_zeroed { self.inner.alloc_zeroed(layout) } else { self.inner.alloc(layout) }
            }
        };
        if watcher() == HEAPTRACK {
            let block = alloc(layout);
            if let Some(heaptrack) = Heaptrack::find().filter(|_| !block.is_null()) {
                heaptrack.allocated(block, layout.size());
            }
            return block;
        }
        let Some(whole) = around(layout) else { return ptr::null_mut() };
        let start = alloc(whole);
        if start.is_null() {
            return start;
        }
        requests::forbid(start, whole.size());
        // SAFETY: The inner block has `lead` bytes before the block.
        let block = unsafe { start.add(lead(layout)) };
        requests::allocated(block, layout.size(), RED_ZONE, is_zeroed);
        block
    }

    /// Frees a block and tells who watches of it.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::dealloc`].
    #[cold]
    #[inline(never)]
    unsafe fn dealloc_watched(&self, block: *mut u8, layout: Layout) {
        if watcher() == HEAPTRACK {
            if let Some(heaptrack) = Heaptrack::find() {
                heaptrack.freed(block);
            }
            // SAFETY: The caller gives the block up.
            return unsafe { self.inner.dealloc(block, layout) };
        }
        requests::freed(block, RED_ZONE);
        let Some(layout) = around(layout).map(|whole| (whole, lead(layout))) else { return };
        // SAFETY: The inner block has `lead` bytes before the block.
        let freed = Freed { block: unsafe { block.sub(layout.1) }, layout: layout.0 };
        let next = || {
            // Nothing that may panic is called while the lock is held.
            let mut quarantine = self.quarantine.lock().unwrap_or_else(PoisonError::into_inner);
            let oldest = quarantine.make_room(freed.layout);
            if oldest.is_none() {
                quarantine.keep(freed);
            }
            oldest
        };
        while let Some(Freed { block, layout }) = next() {
            requests::allow(block, layout.size());
            // SAFETY: It was allocated with this layout, and freed by its owner.
            unsafe { self.inner.dealloc(block, layout) };
        }
    }

    /// Moves a block to one of another size.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::realloc`].
    #[cold]
    #[inline(never)]
    unsafe fn realloc_watched(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The size, rounded up to the alignment, is at most `isize::MAX`, as `realloc` requires. Both blocks
        // have as many bytes, and are different ones; the caller gives the old one up.
        unsafe {
            let new = Layout::from_size_align_unchecked(new_size, layout.align());
            let moved = self.alloc_watched(new, false);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                self.dealloc_watched(block, layout);
            }
            moved
        }
    }
}

// SAFETY: `A` does all the work. A block lies in one of `A` that has as many bytes around it, and is as aligned, for
// what comes before it is a multiple of the alignment. Who watches does not change while the process runs.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Watched<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match watcher() {
            // SAFETY: The caller's promise.
            NOBODY => unsafe { self.inner.alloc(layout) },
            _ => self.alloc_watched(layout, false),
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match watcher() {
            // SAFETY: The caller's promise.
            NOBODY => unsafe { self.inner.alloc_zeroed(layout) },
            _ => self.alloc_watched(layout, true),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller's promise.
        unsafe {
            match watcher() {
                NOBODY => self.inner.dealloc(ptr, layout),
                _ => self.dealloc_watched(ptr, layout),
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller's promise.
        unsafe {
            match watcher() {
                NOBODY => self.inner.realloc(ptr, layout, new_size),
                _ => self.realloc_watched(ptr, layout, new_size),
            }
        }
    }
}
