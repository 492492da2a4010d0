//! The heaps of a program's threads.

mod current;
mod exit;
mod maps;
mod range;
mod source;
#[cfg(doc)]
mod walkthrough;

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use talloc_sync::shared::Allocate;
use talloc_sync::threads::{Heaps, Host, Shard};
use talloc_sync::{
    AllocError, Report, SizeClasses, Statistics, Violation, allocator, global_alloc,
};

use super::{blocks, giving_back, huge_pages, print_statistics_at_exit, space};
pub use maps::HeapMaps;
use range::Range;
pub use source::ThreadSource;

// A program with threads has a standard library, for its panics at least.
extern crate std;

static HEAPS: Heaps<System> = Heaps::new();
static RANGE: Range = Range::new();

/// The environment variable that sets the delay: see [`SystemTalloc::set_purge_delay`].
const DELAY_VARIABLE: &str = "TALLOC_PURGE_DELAY";

/// The environment variable that switches huge pages off: see [`SystemTalloc::set_huge_pages`].
const HUGE_PAGES_VARIABLE: &str = "TALLOC_HUGE_PAGES";

/// Number and bytes of the blocks that are mapped individually.
static APART_BLOCKS: AtomicUsize = AtomicUsize::new(0);
static APART_BYTES: AtomicUsize = AtomicUsize::new(0);

/// The heaps of this program's threads.
pub struct System;

// SAFETY: The heaps are a static, and the current one is a thread-local that starts as nobody's. A source claims
// slices of the range that it has taken for the number of its heap. Blocks apart are mappings of their own, which
// are never in the range, as that is reserved.
unsafe impl Host for System {
    type Source = ThreadSource;

    const APART: usize = 128 << 20;
    const SOURCE: ThreadSource = ThreadSource::new();

    #[inline(always)]
    fn heaps() -> &'static Heaps<Self> {
        &HEAPS
    }

    #[inline(always)]
    fn current() -> *const Shard<Self> {
        current::get()
    }

    #[inline(always)]
    fn set_current(shard: *const Shard<Self>) {
        current::set(shard);
    }

    fn watch_exit() -> bool {
        exit::watch()
    }

    fn begin() {
        exit::begin();
        // `var_os` takes the lock that `set_var` holds; for an unset variable it does not allocate.
        if let Some(delay) = std::env::var_os(DELAY_VARIABLE) {
            giving_back::read_delay(delay.as_encoded_bytes());
        }
        if let Some(text) = std::env::var_os(HUGE_PAGES_VARIABLE) {
            huge_pages::read(text.as_encoded_bytes());
        }
        print_statistics_at_exit(|| SystemTalloc::new().statistics());
    }

    fn number(source: &mut ThreadSource, number: u8) {
        source.set_number(number);
    }

    #[inline]
    fn owner_of(addr: usize) -> u8 {
        RANGE.owner_of(addr)
    }

    #[inline(always)]
    fn whole() -> *mut u8 {
        RANGE.base()
    }

    #[inline]
    fn is_apart(addr: usize) -> bool {
        RANGE.is_outside(addr)
    }

    fn allocate_apart(layout: Layout) -> Option<NonNull<u8>> {
        let block = blocks::map(layout)?;
        APART_BLOCKS.fetch_add(1, Relaxed);
        count_apart(0, blocks::size(layout).unwrap_or(0));
        Some(block)
    }

    unsafe fn free_apart(block: NonNull<u8>, layout: Layout) {
        APART_BLOCKS.fetch_sub(1, Relaxed);
        count_apart(blocks::size(layout).unwrap_or(0), 0);
        // SAFETY: It was mapped by `allocate_apart` for this layout, and nobody uses it.
        unsafe { blocks::unmap(block, layout) }
    }

    unsafe fn resize_apart(block: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        // SAFETY: It was mapped for the old layout, and is the caller's.
        let resized = unsafe { blocks::remap(block, old, new) }?;
        count_apart(blocks::size(old).unwrap_or(0), blocks::size(new).unwrap_or(0));
        Some(resized)
    }

    fn barrier() -> bool {
        space::barrier()
    }

    fn pause() {
        space::pause();
    }
}

/// Counts bytes of blocks apart, in the place of others that were counted before.
fn count_apart(old: usize, new: usize) {
    // At least `old` have been counted: the difference may wrap, the sum does not.
    APART_BYTES.fetch_add(new.wrapping_sub(old), Relaxed);
}

/// The allocator of a program on an operating system: a heap for each thread.
///
/// It is what to start with on an operating system, with one thread or many. A thread allocates from a heap of
/// its own and takes no lock. All values of this type are the same allocator, as those of `std::alloc::System`
/// are.
///
/// # Threads
///
/// A block may be freed by any thread. It is used again there, or sent home to the heap that it comes from, with
/// others, when there are too many. A thread that ends leaves its heap to the next one that starts. A program may
/// have 254 threads with a heap of their own at a time; further ones share a heap behind a lock.
///
/// # Memory
///
/// A TiB of addresses is reserved, or less where there is a limit; memory is made of it as it is needed. A block of
/// 128 MiB or more has memory of its own.
///
/// Memory that has not been needed for 100 to 200 ms returns to the system, at most 1 MiB at a time, and never
/// while another thread waits. [`set_purge_delay`](Self::set_purge_delay) or the environment variable
/// `TALLOC_PURGE_DELAY` (milliseconds, or `never`) changes that time. An idle program returns nothing;
/// [`trim`](Self::trim) returns all free memory at once.
///
/// A heap of 16 MiB or more grows by huge pages where Linux has them for programs that ask
/// (`/sys/kernel/mm/transparent_hugepage/enabled` says `madvise`), which saves most of the time of page faults. Up to
/// 2 MiB more are resident then. [`set_huge_pages`](Self::set_huge_pages) or the environment variable
/// `TALLOC_HUGE_PAGES=never` switches that off.
///
/// A heap that grows by small blocks has Linux bring in the pages that it will reach next, many by one call, which saves
/// time. They are at most a 64th of the heap.
///
/// # Statistics
///
/// With the variable `TALLOC_STATS=1` in its environment, a program prints a table of its
/// [statistics](Self::statistics) when it exits; see [`print_statistics_at_exit`].
///
/// # Processes
///
/// A process may fork from any thread. In the child, the heap of the thread that has forked is whole, and goes on.
///
/// # System calls
///
/// On Linux, the heaps call `mmap`, `munmap`, `mprotect`, `mremap`, `madvise` and `sched_yield`, and
/// `clock_gettime` where the kernel has no vDSO. [`verify`](Self::verify), [`statistics`](Self::statistics) and the
/// functions based on them also call `membarrier`. A filter may make any of these fail: without `mmap` or
/// `mprotect`, the heaps cannot grow; without the others, they return less memory, copy more blocks, or leave out
/// heaps of other threads. If a filter kills the process for `membarrier`, call none of the functions that need it,
/// and do not set `TALLOC_STATS`.
///
/// # Examples
///
/// ```
/// use talloc_global::*;
///
/// #[global_allocator]
/// static ALLOCATOR: SystemTalloc = SystemTalloc::new();
///
/// fn main() {
///     let square = |number: u64| std::thread::spawn(move || vec![number * number; 1000]);
///     let threads: Vec<_> = (0..10).map(square).collect();
///     let squares = threads.into_iter().flat_map(|thread| thread.join().unwrap());
///     assert_eq!(squares.sum::<u64>(), 285_000);
///     assert!(ALLOCATOR.verify().is_ok());
/// }
/// ```
#[derive(Clone, Copy, Default)]
pub struct SystemTalloc(());

impl SystemTalloc {
    /// The allocator.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// Gives the system back what is not needed: of this thread's heap, and of those of threads that have ended,
    /// at once; of other threads' heaps when they next ask their heaps for something.
    pub fn trim(&self) {
        HEAPS.trim();
    }

    /// Sets how long memory that is not needed stays with the process: it goes back after one or two times as long.
    /// `None` switches that off; [`trim`](Self::trim) gives memory back all the same. Whole milliseconds count, and at
    /// least one. The setting is that of the process; it holds for [`SystemTallock`](crate::SystemTallock), too.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use talloc_global::SystemTalloc;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: SystemTalloc = SystemTalloc::new();
    ///
    /// fn main() {
    ///     // The program's use rises and falls within a second: it keeps what it has.
    ///     ALLOCATOR.set_purge_delay(Some(Duration::from_secs(1)));
    /// }
    /// ```
    pub fn set_purge_delay(&self, delay: Option<Duration>) {
        giving_back::set_delay(delay);
    }

    /// Sets whether large heaps ask for huge pages from now on, as they do by default. Only Linux has such a request.
    /// The setting is that of the process; it holds for [`SystemTallock`](crate::SystemTallock), too.
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_global::SystemTalloc;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: SystemTalloc = SystemTalloc::new();
    ///
    /// fn main() {
    ///     // Many processes of this program share a machine whose memory is scarce.
    ///     ALLOCATOR.set_huge_pages(false);
    /// }
    /// ```
    pub fn set_huge_pages(&self, are_allowed: bool) {
        huge_pages::allow(are_allowed);
    }

    /// The sum of what the heaps of all threads count, while the threads go on; see
    /// [`Inspect::statistics`](crate::inspect::Inspect::statistics) and [`Statistics`].
    ///
    /// Each heap is seen between two of its operations, for which its thread may wait some hundreds of
    /// nanoseconds. On systems without `membarrier`, which is Linux's, the heaps of other living threads are
    /// left out, and counted as [unseen](Statistics::unseen_heaps).
    ///
    /// # Examples
    ///
    /// ```
    /// use talloc_global::*;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: SystemTalloc = SystemTalloc::new();
    ///
    /// fn main() {
    ///     let numbers = vec![1_u8; 1_000_000];
    ///     assert!(ALLOCATOR.used_bytes() >= numbers.len());
    ///     println!("{}", ALLOCATOR.statistics());
    /// }
    /// ```
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut statistics = HEAPS.statistics();
        statistics.mapped_blocks = APART_BLOCKS.load(Relaxed);
        statistics.mapped_bytes = APART_BYTES.load(Relaxed);
        statistics
    }

    /// Returns the counters of each heap that a thread owns or has owned, without mapped blocks. The sum of
    /// `used_bytes` is right, but a single value may be too small: blocks that a thread has freed and caches are
    /// free in its heap, whichever heap owns them.
    pub fn heap_statistics(&self) -> impl Iterator<Item = Statistics> + use<> {
        HEAPS.shard_statistics()
    }

    /// Returns the bytes of all allocated blocks, without mapped blocks.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        HEAPS.statistics().used_bytes
    }

    /// Bytes that are free in the heaps of all threads.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        HEAPS.statistics().free_bytes
    }

    /// Returns the sum of the heaps' peaks: see [`Statistics::peak_bytes`].
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        HEAPS.statistics().peak_bytes
    }

    /// Bytes of the largest free chunk of all heaps; see
    /// [`Inspect::largest_free_bytes`](crate::inspect::Inspect::largest_free_bytes).
    #[must_use]
    pub fn largest_free_bytes(&self) -> usize {
        HEAPS.largest_free_bytes()
    }

    /// What is free in all heaps, by size, without what other living threads have cached; see
    /// [`Inspect::size_classes`](crate::inspect::Inspect::size_classes). [`heap_maps`](Self::heap_maps) tells where it is.
    #[must_use]
    pub fn size_classes(&self) -> SizeClasses {
        HEAPS.size_classes()
    }

    /// Checks all heaps, and counts what there is in them. What other living threads have cached counts as
    /// used. On systems without `membarrier`, which is Linux's, their heaps are left out.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found.
    pub fn verify(&self) -> Result<Report, Violation> {
        let mut report = HEAPS.verify()?;
        report.mapped_blocks = APART_BLOCKS.load(Relaxed);
        report.mapped_bytes = APART_BYTES.load(Relaxed);
        Ok(report)
    }
}

// SAFETY: The heaps give out blocks as the layout asks, which stay valid until they are freed, by any thread. They tell
// what is not zero, and copy what moves.
unsafe impl Allocate for SystemTalloc {
    #[inline(always)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        HEAPS.malloc(layout)
    }

    #[inline(always)]
    fn allocate_dirty(&self, layout: Layout) -> Result<(NonNull<u8>, usize), AllocError> {
        HEAPS.malloc_dirty(layout)
    }

    #[inline(always)]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: `ptr` is a block with this layout, and is given up.
        unsafe { HEAPS.free(ptr, layout) }
    }

    #[inline(always)]
    unsafe fn resize(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: `ptr` is a block with the layout `old`, and is given up if this succeeds.
        unsafe { HEAPS.resize(ptr, old, new) }
    }
}

// SAFETY: All values are the same allocator, which is there for ever.
global_alloc!(unsafe impl[] for SystemTalloc, |heap| heap);
allocator!(unsafe impl[] for &SystemTalloc, |heap| *heap);

impl fmt::Debug for SystemTalloc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemTalloc")
    }
}
