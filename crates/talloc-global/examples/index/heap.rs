//! The program's heap, and what is counted about it.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use talloc_global::inspect::{Report, Violation};
use talloc_global::*;

/// With memory from the operating system, and caches for the threads.
#[cfg(all(feature = "system", feature = "std", unix))]
#[global_allocator]
static ALLOCATOR: Counted<SystemTalloc> = Counted::new(SystemTalloc::new());

/// With memory from the operating system.
#[cfg(all(feature = "system", not(feature = "std"), unix))]
#[global_allocator]
static ALLOCATOR: Counted<SystemTallock> = Counted::new(SystemTallock::new());

/// With the memory of an array.
#[cfg(not(all(feature = "system", unix)))]
#[global_allocator]
static ALLOCATOR: Counted<StaticTalloc> = Counted::new(StaticTalloc::new(&ARENA));
#[cfg(not(all(feature = "system", unix)))]
static ARENA: StaticArena<{ 256 << 20 }> = StaticArena::new();

/// Checks the whole heap, and its caches.
#[cfg(all(feature = "system", feature = "std", unix))]
pub fn verify() -> Result<Report, Violation> {
    ALLOCATOR.allocator.verify()
}

/// Checks the whole heap.
#[cfg(not(all(feature = "system", feature = "std", unix)))]
pub fn verify() -> Result<Report, Violation> {
    // The guard is gone before anybody allocates to print the result.
    ALLOCATOR.allocator.0.lock().verify()
}

/// The heap at one moment.
#[derive(Clone, Copy)]
pub struct Snapshot {
    pub report: Report,
    pub calls: Calls,
    /// Bytes that are allocated, as they were asked for.
    pub live: usize,
    /// The most that there have been.
    pub peak: usize,
}

/// How often the program has called its allocator.
#[derive(Clone, Copy)]
pub struct Calls {
    pub allocations: usize,
    pub reallocations: usize,
    pub frees: usize,
}

impl Snapshot {
    /// Checks the whole heap and notes what it is like.
    pub fn take() -> Result<Self, Violation> {
        let Counted { allocations, reallocations, frees, live, peak, .. } = &ALLOCATOR;
        let calls = Calls {
            allocations: allocations.load(Relaxed),
            reallocations: reallocations.load(Relaxed),
            frees: frees.load(Relaxed),
        };
        let (live, peak) = (live.load(Relaxed), peak.load(Relaxed));
        Ok(Self { report: verify()?, calls, live, peak })
    }
}

/// An allocator that counts what it is asked for.
struct Counted<A> {
    allocator: A,
    allocations: AtomicUsize,
    reallocations: AtomicUsize,
    frees: AtomicUsize,
    live: AtomicUsize,
    peak: AtomicUsize,
}

impl<A> Counted<A> {
    const fn new(allocator: A) -> Self {
        Self {
            allocator,
            allocations: AtomicUsize::new(0),
            reallocations: AtomicUsize::new(0),
            frees: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    /// Counts a call that `block` came of, unless it failed, and the change of what is live.
    fn count(&self, block: *mut u8, calls: &AtomicUsize, old: usize, new: usize) -> *mut u8 {
        if !block.is_null() {
            calls.fetch_add(1, Relaxed);
            // `live` is at least `old`, so that the difference may wrap and the sum does not.
            let change = new.wrapping_sub(old);
            let live = self.live.fetch_add(change, Relaxed).wrapping_add(change);
            if live > self.peak.load(Relaxed) {
                self.peak.fetch_max(live, Relaxed);
            }
        }
        block
    }
}

// SAFETY: All is left to the allocator inside.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counted<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller passes a layout whose size is not zero.
        let block = unsafe { self.allocator.alloc(layout) };
        self.count(block, &self.allocations, 0, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller passes a layout whose size is not zero.
        let block = unsafe { self.allocator.alloc_zeroed(layout) };
        self.count(block, &self.allocations, 0, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.count(block, &self.frees, layout.size(), 0);
        // SAFETY: The caller passes an allocated block of this heap with its layout.
        unsafe { self.allocator.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller passes an allocated block of this heap with its layout, and a nonzero new size.
        let block = unsafe { self.allocator.realloc(block, layout, new_size) };
        self.count(block, &self.reallocations, layout.size(), new_size)
    }
}
