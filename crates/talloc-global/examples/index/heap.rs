//! The program's heap, and counters of its use.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use talloc_global::inspect::{Report, Violation};
use talloc_global::*;

/// A heap with memory from the operating system and caches for threads.
#[cfg(all(feature = "system", feature = "std", unix))]
#[global_allocator]
static ALLOCATOR: Counted<SystemTalloc> = Counted::new(SystemTalloc::new());

/// A heap with memory from the operating system.
#[cfg(all(feature = "system", not(feature = "std"), unix))]
#[global_allocator]
static ALLOCATOR: Counted<SystemTallock> = Counted::new(SystemTallock::new());

/// A heap with the memory of a static array.
#[cfg(not(all(feature = "system", unix)))]
#[global_allocator]
static ALLOCATOR: Counted<StaticTalloc> = Counted::new(StaticTalloc::new(&ARENA));
#[cfg(not(all(feature = "system", unix)))]
static ARENA: StaticArena<{ 256 << 20 }> = StaticArena::new();

/// Verifies the heap, including its caches.
#[cfg(all(feature = "system", feature = "std", unix))]
pub fn verify() -> Result<Report, Violation> {
    ALLOCATOR.allocator.verify()
}

/// Verifies the heap.
#[cfg(not(all(feature = "system", feature = "std", unix)))]
pub fn verify() -> Result<Report, Violation> {
    // The lock is released before the caller allocates to print the result.
    ALLOCATOR.allocator.0.lock().verify()
}

/// The state of the heap at one moment.
#[derive(Clone, Copy)]
pub struct Snapshot {
    pub report: Report,
    pub calls: Calls,
    /// Bytes in allocated blocks, as requested.
    pub live: usize,
    /// The largest value of `live` so far.
    pub peak: usize,
}

/// The number of calls of the allocator.
#[derive(Clone, Copy)]
pub struct Calls {
    pub allocations: usize,
    pub reallocations: usize,
    pub frees: usize,
}

impl Snapshot {
    /// Verifies the heap and records its state.
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

/// An allocator that counts the calls and the bytes requested.
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

    /// Counts a successful call, and changes `live` by the difference of the sizes. Returns `block`.
    fn count(&self, block: *mut u8, calls: &AtomicUsize, old: usize, new: usize) -> *mut u8 {
        if !block.is_null() {
            calls.fetch_add(1, Relaxed);
            // The difference may wrap, but the sum does not, because `live` is at least `old`.
            let change = new.wrapping_sub(old);
            let live = self.live.fetch_add(change, Relaxed).wrapping_add(change);
            if live > self.peak.load(Relaxed) {
                self.peak.fetch_max(live, Relaxed);
            }
        }
        block
    }
}

// SAFETY: The inner allocator serves all requests.
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
