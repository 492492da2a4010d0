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

/// A heap behind a lock that is seldom taken, for threads that allocate all the time: a global
/// allocator, and a reference to it is an `Allocator`.
///
/// Blocks of up to 512 bytes go from thread to thread, and from freed to allocated, in *magazines*
/// (Bonwick & Adams 2001): lists of free blocks of one size. A *slot* has two magazines of each size. A
/// [`Caller`] tells the number of the slot that a call begins with. When both magazines are empty, or full, a
/// whole magazine comes from, or goes to, the *depot*. Only if that has none, or no room, is the heap asked, for one
/// magazine at a time, or two.
///
/// No call waits for a slot or the depot: one that finds its slot in use goes to the next slot, and in the end
/// to the heap. No slot belongs to a thread, so that nothing is lost when a thread ends, and there may be fewer
/// slots than threads. `N` is the number of slots, a power of two; each takes three kilobytes.
///
/// # Memory
///
/// A size is cached in a slot only when it is asked for, more when that turns out to be too little.
/// All caches together hold at most a sixteenth of the arenas, and at most 128 KiB per slot; if the
/// heap's source counts what is in use, also no more than a sixteenth of that, or 64 KiB. Before the
/// source is asked for memory or takes some back, and before a request fails, they are emptied. To the heap
/// itself, cached blocks are allocated: [`verify`](talloc_core::SharedHeap::verify) tells which are not.
///
/// What they give back goes to the quick lists of the heap, if it has such, which hold as much as
/// [`Config::QUICK_BYTES`] says besides. `RealTime` goes without.
///
/// # Arenas that go
///
/// Each slot remembers a pointer for the last few arenas whose blocks it cached. An arena may be released at any time,
/// and its memory claimed again through a pointer of the same provenance. Before the memory is claimed through any other
/// pointer, or the heap is [initialised](Talloc::init) again, call [`flush`](Self::flush) while no other call is in
/// progress. Then all slots are empty, and have forgotten their pointers.
///
/// # Many cores
///
/// What threads wait for, besides each other, is cache lines that another core has written last. A call
/// that the slot can meet needs none but those of the block: the slot is written by its thread alone, and
/// what the heap knows of a block lies elsewhere. A magazine that goes to the depot or comes from
/// there takes three: its shelf's, which has the lock and the list, that of the depot's count of
/// bytes, and that of its first block, for about a KiB of blocks, 2 to 64. A trip to the heap takes the
/// lock's line, and those of the list, the bin, the bits and the chunks that change, for one magazine or
/// two. So what counts is how seldom trips are: `cargo xtask bench threads` says how many calls there are
/// for each.
///
/// # Growing and shrinking
///
/// A block that is cached when it is free moves when its size changes, which needs no lock, as long
/// as its new size is cached, too. What cannot move for want of room changes where it is.
///
/// # Checked heaps
///
/// A [`Checked`](crate::Checked) heap must see each call, so that nothing is cached in front of it.
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

/// A slot on cache lines of its own; two, as they are fetched in pairs.
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
    /// Gives all cached blocks back to the heap, except those in slots that are in use, and
    /// [flushes](Talloc::flush) the heap's quick lists.
    ///
    /// The heap does so by itself before a request fails. [`trim`](talloc_core::SharedHeap::trim) also lets the heap's
    /// source take back the memory that the heap does not need.
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

    /// Holds all slots that are not in use.
    fn hold_slots(&self) -> [Option<Held<'_, Slot>>; N] {
        self.slots.each_ref().map(|slot| slot.0.try_hold())
    }

    /// What the heap counts, with the blocks in the caches as free ones, without those of slots that are in use.
    fn count(&self) -> Statistics {
        let slots = self.hold_slots();
        let statistics = self.lock().inspect().statistics();
        let in_slots = Class::all().map(|class| {
            let racks = slots.iter().flatten().map(|slot| slot.peek(class));
            let blocks = racks.map(|rack| rack.loaded.len() + rack.previous.len());
            blocks.sum::<usize>() * class.bytes()
        });
        // The depot may say more than there is while somebody takes from it.
        statistics.with_cached(in_slots.sum::<usize>() + self.depot.bytes()).settled()
    }

    /// Checks the heap, and the caches, whose blocks count as free and cached.
    ///
    /// Blocks of a slot that is in use meanwhile are not checked, and count as used.
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
