//! Caches in front of a heap, for many threads.

mod budget;
mod cache;
mod caller;
mod class;
mod depot;
mod rack;
mod slot;
mod traits;
mod try_lock;

pub use caller::{ByStack, Caller};

use core::marker::PhantomData;

use lock_api::{MutexGuard, RawMutex};
use talloc_core::{
    Compact, Config, OomHandler, OwnedTalloc, Report, Source, Statistics, Talloc, Tallock,
    Violation,
};

use budget::Budget;
use class::Class;
use depot::Depot;
use slot::Slot;
use try_lock::{Held, TryLock};

/// A heap behind a lock that is seldom taken, for threads that allocate all the time. It is a global
/// allocator, and a reference to it is an `Allocator`.
///
/// The heap caches blocks of up to 512 bytes in *magazines* (Bonwick & Adams 2001): lists of free blocks of one size. A
/// *slot* has two magazines of each size. A [`Caller`] chooses the slot that a call begins with. If both magazines are
/// empty, the slot takes a full magazine from the *depot*; if both are full, the slot gives one to the depot. Only if the
/// depot has no magazine, or no room, does the call go to the heap, for one or two magazines at a time.
///
/// No call waits for a slot or the depot. If a slot is in use, the call goes to the next slot, and finally to the heap.
/// No slot belongs to a thread. Therefore no block is lost when a thread ends, and there may be fewer slots than threads.
/// `N` is the number of slots, a power of two. Each slot takes three kilobytes.
///
/// # Memory
///
/// A slot caches a size only after the first request for it, and caches more blocks if these turn out to be too few.
/// All caches together hold at most a sixteenth of the arenas, and at most 128 KiB per slot. If the
/// heap's source counts the memory in use, they also hold at most a sixteenth of that, or 64 KiB. All caches are emptied
/// before the heap asks the source for memory, before the source takes memory back, and before a request fails. To the heap
/// itself, cached blocks are allocated; [`verify`](talloc_core::SharedHeap::verify) counts them as free.
///
/// Emptied caches return their blocks to the quick lists of the heap. In addition to the caches, these lists hold up to
/// [`Lists::BYTES`](talloc_core::Lists::BYTES). `RealTime` has no quick lists.
///
/// # Releasing arenas
///
/// Each slot remembers a pointer for the last few arenas whose blocks it cached. An arena may be released at any time,
/// and its memory claimed again through a pointer of the same provenance. Before the memory is claimed through any other
/// pointer, or the heap is [initialised](Talloc::init) again, call [`flush`](Self::flush) while no other call is in
/// progress. Then all slots are empty, and have forgotten their pointers.
///
/// # Many cores
///
/// Besides waiting for each other, threads wait for cache lines that another core wrote last. A call that the slot can
/// serve needs only the cache lines of the block: only its thread writes to the slot, and the heap's data about the block
/// lies elsewhere. Moving a magazine to or from the depot takes three such lines: the line of the lock and the stack, the
/// line of the depot's byte count, and the line of the magazine's first block. A magazine has about 1 KiB of blocks,
/// between 2 and 64. A trip to the heap takes the line of the lock, and the lines of the lists, bins, bits and chunks that
/// change, for one or two magazines. Speed therefore depends on how seldom trips are: `cargo xtask bench shared` prints the
/// number of calls for each trip.
///
/// # Growing and shrinking
///
/// If the old and the new size of a block are cached, a reallocation moves the block, which needs no lock. If there is no
/// room for the new block, the old block is resized in place.
///
/// # Checked heaps
///
/// A [`Checked`](crate::Checked) heap must see each call, so there are no caches in front of it.
///
/// # Examples
///
/// ```
/// use std::alloc::{GlobalAlloc, Layout};
/// use talloc_sync::{SharedHeap, Talloc, TallocMagazines, lock::Backoff};
///
/// static HEAP: TallocMagazines<Backoff> = TallocMagazines::new(Talloc::new());
/// static mut ARENA: [u8; 1 << 20] = [0; 1 << 20];
///
/// let layout = Layout::new::<[u64; 4]>();
/// // SAFETY: Nothing else uses the array. The block is freed once, with its layout.
/// unsafe {
///     HEAP.lock().init((&raw mut ARENA).into());
///     let block = HEAP.alloc(layout);
///     HEAP.dealloc(block, layout);
/// }
/// let report = HEAP.verify().unwrap();
/// assert_eq!((report.used_bytes, report.cached_bytes), (0, 32));
/// HEAP.flush();
/// assert_eq!(HEAP.verify().unwrap().cached_bytes, 0);
/// ```
pub struct TallocMagazines<
    R,
    C: Config = Compact,
    S = OomHandler<C>,
    W = ByStack,
    const N: usize = 16,
> {
    heap: Tallock<R, C, S>,
    budget: Budget,
    depot: Depot,
    slots: [Padded; N],
    caller: PhantomData<fn() -> W>,
}

/// A slot on its own pair of cache lines, because processors fetch lines in pairs.
#[repr(align(128))]
struct Padded(TryLock<Slot>);

impl<R: RawMutex, C: Config, S, W, const N: usize> TallocMagazines<R, C, S, W, N> {
    /// Puts magazines in front of a heap.
    #[must_use]
    pub const fn new(heap: OwnedTalloc<C, S>) -> Self {
        const { assert!(N.is_power_of_two(), "the number of slots is a power of two") };
        Self {
            heap: heap.lock(),
            budget: Budget::new(),
            depot: Depot::new(),
            slots: [const { Padded(TryLock::new(Slot::EMPTY)) }; N],
            caller: PhantomData,
        }
    }

    /// Locks the heap itself. To it, cached blocks are allocated: [`flush`](Self::flush) before arenas are truncated or
    /// released, or the heap is [initialised](Talloc::init) again.
    ///
    /// Do not allocate while the guard lives: the call would wait for the guard for ever.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, R, Talloc<C, S>> {
        self.heap.0.lock()
    }
}

impl<R: RawMutex, C: Config, S: Source<C>, W: Caller, const N: usize>
    TallocMagazines<R, C, S, W, N>
{
    /// Returns all cached blocks to the heap, except in slots that are in use, and
    /// [flushes](Talloc::flush) the heap's quick lists.
    ///
    /// The heap does so by itself before a request fails. [`trim`](talloc_core::SharedHeap::trim) also lets the heap's
    /// source take back unneeded memory.
    pub fn flush(&self) {
        for mut slot in self.slots.iter().filter_map(|slot| slot.0.try_hold()) {
            if slot.reserved > 0 {
                slot.clear(&self.budget, &mut self.lock());
            } else {
                slot.forget_arenas();
            }
        }
        for class in Class::all() {
            while let Some(magazine) = self.depot.take(class, usize::MAX) {
                slot::free(&mut self.lock(), class, magazine);
            }
        }
        self.lock().flush();
    }

    /// Takes all slots that are not in use.
    fn hold_slots(&self) -> [Option<Held<'_, Slot>>; N] {
        self.slots.each_ref().map(|slot| slot.0.try_hold())
    }

    /// Returns the heap's counters. Cached blocks count as free, except in slots that are in use.
    fn count(&self) -> Statistics {
        let slots = self.hold_slots();
        let statistics = self.lock().inspect().statistics();
        let in_slots = Class::all().map(|class| {
            let racks = slots.iter().flatten().map(|slot| slot.peek(class));
            let blocks = racks.map(|rack| rack.loaded.len() + rack.previous.len());
            blocks.sum::<usize>() * class.bytes()
        });
        // The depot may report too much while another thread takes a magazine.
        statistics.with_cached(in_slots.sum::<usize>() + self.depot.bytes()).settled()
    }

    /// Checks the heap and the caches. Cached blocks count as free and cached.
    ///
    /// Blocks in slots that are in use are not checked, and count as used.
    fn verify_all(&self) -> Result<Report, Violation> {
        let slots = self.hold_slots();
        let heap = self.lock();
        let mut report = heap.verify()?;
        for class in Class::all() {
            let mut count = |magazine: &_| {
                heap.inspect().verify_batch(class.bytes(), magazine)?;
                count_cached(&mut report, magazine.len(), class.bytes());
                Ok(())
            };
            for slot in slots.iter().flatten() {
                let rack = slot.peek(class);
                count(&rack.loaded)?;
                count(&rack.previous)?;
                let capacity = slot.capacity(class);
                if capacity > class.capacity() || !rack.is_within(capacity) {
                    return Err(Violation::CachedCount);
                }
            }
            self.depot.look(class, count)?;
        }
        Ok(report)
    }
}

/// Counts blocks of a magazine, which the heap has counted as allocated.
fn count_cached(report: &mut Report, blocks: usize, bytes: usize) {
    report.cached_blocks += blocks;
    report.cached_bytes += blocks * bytes;
    report.free_bytes += blocks * bytes;
    report.used_bytes -= blocks * bytes;
}

impl<R: RawMutex, C: Config, S, W, const N: usize> core::fmt::Debug
    for TallocMagazines<R, C, S, W, N>
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TallocMagazines").field("heap", &self.heap).finish_non_exhaustive()
    }
}
