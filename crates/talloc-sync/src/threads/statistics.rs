//! Statistics of the heaps of all threads.

use core::sync::atomic::Ordering::Relaxed;

use talloc_core::{SizeClasses, Statistics};

use super::shard::Heap;
use super::{Heaps, Host, Shard};

/// Reads all heaps, one after the other, while their threads run. Each heap is read between two of its operations.
/// Meanwhile its thread can use its cache, but not its arenas: for some hundreds of nanoseconds in `statistics`,
/// and in proportion to the free chunks in `size_classes`. Without a [barrier](Host::barrier), heaps of other
/// living threads cannot be read.
impl<H: Host> Heaps<H> {
    /// Returns the sums of the counters of all heaps.
    ///
    /// Blocks on their way from one heap to another count as used, as do blocks that another thread frees during
    /// the call. So do the free blocks of a slab, 4 KiB at most, while its thread puts them on a list.
    #[must_use]
    pub fn statistics(&'static self) -> Statistics {
        let all = (0..self.used.load(Relaxed)).filter_map(|number| self.counters(number));
        let mut sum = all.fold(Statistics::default(), Statistics::with).settled();
        // Several heaps may refuse a request before it fails.
        sum.refused_requests = self.refused.load(Relaxed);
        sum
    }

    /// Returns the counters of each heap that a thread owns or has owned. A heap is read when the iterator reaches
    /// it. A thread's heap counts the blocks in the thread's cache as free, whichever heap owns them, so its used bytes may
    /// be too low. `refused_requests` of a heap includes requests that another heap has served.
    pub fn shard_statistics(&'static self) -> impl Iterator<Item = Statistics> + 'static {
        let all = (0..super::SHARDS).take_while(|number| *number < self.used.load(Relaxed));
        all.filter_map(|number| self.counters(number)).map(Statistics::settled)
    }

    /// Returns the counters of one heap; `None` if it was lost in a fork.
    fn counters(&'static self, number: usize) -> Option<Statistics> {
        let shard = self.shards.get(number)?;
        let whole = |heap: &Heap<H>| heap.inspect().statistics();
        // SAFETY: `look_in` keeps the owner out of the arenas. The owner accesses its lists through raw pointers
        // only.
        let part = |heap: *const Heap<H>| unsafe { Heap::<H>::statistics_of(heap) };
        self.inspect(shard, whole, part).or_else(|| {
            let mut unseen = Statistics::default();
            unseen.unseen_heaps = 1;
            shard.entry.is_in_use().then_some(unseen)
        })
    }

    /// Returns the free memory of all heaps by size, without the caches of other living threads.
    #[must_use]
    pub fn size_classes(&'static self) -> SizeClasses {
        let whole = |heap: &Heap<H>| heap.inspect().size_classes();
        // SAFETY: Nobody changes the arenas meanwhile.
        let part = |heap: *const Heap<H>| unsafe { Heap::<H>::size_classes_of(heap) };
        let all = self.in_use().filter_map(|shard| self.inspect(shard, whole, part));
        all.fold(SizeClasses::EMPTY, |sum, classes| sum.with(&classes))
    }

    /// Returns the size of the largest free chunk of all heaps in bytes.
    #[must_use]
    pub fn largest_free_bytes(&'static self) -> usize {
        let whole = |heap: &Heap<H>| heap.inspect().largest_free_bytes();
        // SAFETY: Nobody changes the arenas meanwhile.
        let part = |heap: *const Heap<H>| unsafe { Heap::<H>::largest_free_bytes_of(heap) };
        let all = self.in_use().filter_map(|shard| self.inspect(shard, whole, part));
        all.max().unwrap_or(0)
    }

    /// Calls `whole` if the caller can have the heap alone. Calls `part` if another living thread owns the heap; that
    /// thread may use its quick lists meanwhile. Returns `None` if neither is possible.
    ///
    /// The heap is borrowed, so `whole` and `part` must not allocate or free.
    pub(super) fn inspect<T>(
        &'static self,
        shard: &'static Shard<H>,
        whole: impl Fn(&Heap<H>) -> T,
        part: impl Fn(*const Heap<H>) -> T,
    ) -> Option<T> {
        let guests = &raw const self.shards[self.guests.load(Relaxed)];
        if core::ptr::eq(shard, guests) {
            return Some(self.as_guest(|heap| whole(heap)));
        }
        if core::ptr::eq(shard, H::current()) {
            // SAFETY: The calling thread owns the shard, and is outside: no code inside a heap calls this.
            return Some(unsafe { shard.with(|heap| whole(heap)) });
        }
        let mut seen = None;
        if !shard.visit(|heap| seen = Some(whole(heap))) {
            seen = shard.look_in(part);
        }
        seen
    }
}
