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

// For `std::env`.
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

// SAFETY: The heaps are a static. The current shard is a thread-local that starts as `nobody`. A source claims only
// slices that it has taken for the number of its heap. Blocks apart are separate mappings, which never lie in the
// reserved range. The table of slabs lies below the slices. Its entries are committed with their memory, and are zero then:
// they are new, or the heap that gave back the slices had no slabs left in them.
unsafe impl Host for System {
    type Source = ThreadSource;

    const APART: usize = 128 << 20;

    // With four times as much, the aged programs of `cargo xtask bench hosted` take more time, and hardly less memory.
    const SLABS_FROM: Option<usize> = Some(16 << 10);
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
        // SAFETY: `allocate_apart` or `resize_apart` mapped the block for this layout, and nobody uses it any more.
        unsafe { blocks::unmap(block, layout) }
    }

    unsafe fn resize_apart(block: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        // SAFETY: `allocate_apart` or `resize_apart` mapped the block for `old`, and it is the caller's.
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

/// Replaces `old` of the counted bytes of blocks apart with `new`.
fn count_apart(old: usize, new: usize) {
    // At least `old` bytes have been counted, so the sum does not wrap, even if the difference does.
    APART_BYTES.fetch_add(new.wrapping_sub(old), Relaxed);
}

/// The allocator of a program on an operating system: a heap for each thread.
///
/// This is the right allocator for most programs on an operating system, with one thread or many. A thread allocates
/// from its own heap and takes no lock. All values of this type are the same allocator, as with `std::alloc::System`.
///
/// # Threads
///
/// Any thread may free a block. The block goes to the cache of that thread, which may allocate it again. When a
/// cache holds too many blocks, it sends some of them back to the heaps that they come from. When a thread ends, the
/// next thread that starts takes over its heap. Up to 254 threads at a time have their own heaps; further threads
/// share a heap behind a lock.
///
/// # Memory
///
/// The heaps reserve a little more than 1 TiB of addresses (1 GiB on 32-bit machines), or less if a limit leaves less, and
/// commit memory as they need it. A block of 128 MiB or more is mapped individually.
///
/// Blocks of up to 512 bytes lie in *slabs* of 4 KiB, if their size is often allocated in a heap of a MiB or more. A slab has
/// blocks of one size. Its memory can serve other sizes when all of its blocks are free and none is in a thread's cache.
///
/// Memory that has not been needed for 100 to 200 ms returns to the system, at most 1 MiB at a time, and never
/// while another thread waits. [`set_purge_delay`](Self::set_purge_delay) or the environment variable
/// `TALLOC_PURGE_DELAY` (milliseconds, or `never`) changes that time. An idle program returns nothing;
/// [`trim`](Self::trim) returns all free memory at once.
///
/// A heap of 8 MiB or more asks Linux for huge pages for the memory that it grows by. Linux provides them if
/// `/sys/kernel/mm/transparent_hugepage/enabled` says `madvise` or `always`. They save most of the time of page faults,
/// but up to 2 MiB more are resident. [`set_huge_pages`](Self::set_huge_pages) or the environment variable
/// `TALLOC_HUGE_PAGES=never` disables huge pages.
///
/// A heap that grows by small blocks asks Linux to bring in the pages that it will reach next. One call brings in many
/// pages, which is faster than a fault for each. These pages are at most a 64th of the heap.
///
/// # Statistics
///
/// With the variable `TALLOC_STATS=1` in its environment, a program prints a table of its
/// [statistics](Self::statistics) when it exits; see [`print_statistics_at_exit`].
///
/// # Processes
///
/// A process may fork from any thread. In the child, the thread that forked can go on using its heap.
///
/// # System calls
///
/// On Linux, the heaps call `mmap`, `munmap`, `mprotect`, `mremap`, `madvise` and `sched_yield`, and
/// `clock_gettime` where the kernel has no vDSO. [`verify`](Self::verify), [`statistics`](Self::statistics) and the
/// functions based on them also call `membarrier`. A seccomp filter may make any of these calls fail. Without `mmap` or
/// `mprotect`, the heaps cannot grow. Without the others, they return less memory, copy more blocks, or leave out
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
    /// Returns the allocator.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// Returns all free memory to the system. The caller's heap and the heaps of threads that have ended do so at once.
    /// Each other heap does so when its thread next uses its arenas.
    pub fn trim(&self) {
        HEAPS.trim();
    }

    /// Sets how long unneeded memory stays with the process. It is returned after one to two times `delay`, which is
    /// rounded down to whole milliseconds, but not below one. `None` disables this; [`trim`](Self::trim) still returns
    /// memory. The setting applies to the whole process, including [`SystemTallock`](crate::SystemTallock) heaps.
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
    ///     // A program whose use rises and falls within a second keeps its memory.
    ///     ALLOCATOR.set_purge_delay(Some(Duration::from_secs(1)));
    /// }
    /// ```
    pub fn set_purge_delay(&self, delay: Option<Duration>) {
        giving_back::set_delay(delay);
    }

    /// Sets whether large heaps ask for huge pages from now on, as they do by default. Only Linux has such a request.
    /// The setting applies to the whole process, including [`SystemTallock`](crate::SystemTallock) heaps.
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

    /// Returns the sums of the counters of all heaps, while the threads run; see
    /// [`Inspect::statistics`](crate::inspect::Inspect::statistics) and [`Statistics`].
    ///
    /// Each heap is read between two of its operations, for which its thread may wait some hundreds of
    /// nanoseconds. On systems without a barrier for all threads (only Linux and Windows have one), the heaps of other
    /// living threads are left out, and counted as [unseen](Statistics::unseen_heaps).
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
    /// `used_bytes` is right, but a single value may be too small: a thread's heap counts the blocks in the thread's
    /// cache as free, whichever heap owns them.
    pub fn heap_statistics(&self) -> impl Iterator<Item = Statistics> + use<> {
        HEAPS.shard_statistics()
    }

    /// Returns the bytes of all allocated blocks, without mapped blocks.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        HEAPS.statistics().used_bytes
    }

    /// Returns the free bytes of the heaps of all threads.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        HEAPS.statistics().free_bytes
    }

    /// Returns the sum of the heaps' peaks: see [`Statistics::peak_bytes`].
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        HEAPS.statistics().peak_bytes
    }

    /// Returns the size of the largest free chunk of all heaps in bytes; see
    /// [`Inspect::largest_free_bytes`](crate::inspect::Inspect::largest_free_bytes).
    #[must_use]
    pub fn largest_free_bytes(&self) -> usize {
        HEAPS.largest_free_bytes()
    }

    /// Returns the free chunks of all heaps by size class, without the blocks that other living threads have cached and the
    /// free memory of their slabs; see
    /// [`Inspect::size_classes`](crate::inspect::Inspect::size_classes). [`heap_maps`](Self::heap_maps) returns their
    /// addresses.
    #[must_use]
    pub fn size_classes(&self) -> SizeClasses {
        HEAPS.size_classes()
    }

    /// Checks all heaps, and counts their chunks and blocks. The blocks that other living threads have cached, and the free
    /// memory of their slabs, count as used. On systems without a barrier for all threads (only Linux and Windows have one),
    /// the heaps of these threads are left out.
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

// SAFETY: The heaps return blocks with the size and alignment of the layout, which stay valid until a thread frees them.
// They report the bytes that are not zero, and copy the contents of blocks that move.
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

// SAFETY: All values are the same allocator, which is a static.
global_alloc!(unsafe impl[] for SystemTalloc, |heap| heap);
allocator!(unsafe impl[] for &SystemTalloc, |heap| *heap);

impl fmt::Debug for SystemTalloc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemTalloc")
    }
}
