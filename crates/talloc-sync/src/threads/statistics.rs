//! What the heaps of all threads count.

use core::sync::atomic::Ordering::Relaxed;

use talloc_core::{SizeClasses, Statistics};

use super::shard::Heap;
use super::{Heaps, Host, Shard};

/// Looking at all heaps, one after the other, while their threads go on.
///
/// Each is seen between two of its operations. A thread is kept out of its arenas meanwhile, for some hundreds
/// of nanoseconds if it is statistics that are asked for; its cache serves it. Where there is no
/// [barrier](Host::barrier), heaps of other living threads cannot be seen.
impl<H: Host> Heaps<H> {
    /// The sum of what all heaps count.
    ///
    /// Blocks that are on their way from one heap to another count as used. So do blocks that are freed to
    /// another thread's cache in the middle of this.
    #[must_use]
    pub fn statistics(&'static self) -> Statistics {
        let all = (0..self.used.load(Relaxed)).filter_map(|number| self.counters(number));
        let mut sum = all.fold(Statistics::default(), Statistics::with).settled();
        // A request is refused when several heaps have refused it.
        sum.refused_requests = self.refused.load(Relaxed);
        sum
    }

    /// What each heap counts that a thread has, or has had, each when the iterator comes to it.
    ///
    /// Blocks that a thread has freed and caches are free in its heap, whichever they belong to: what is in use
    /// of the others may be less. A heap counts a request as refused that another one may have served
    /// afterwards.
    pub fn shard_statistics(&'static self) -> impl Iterator<Item = Statistics> + 'static {
        let all = (0..super::SHARDS).take_while(|number| *number < self.used.load(Relaxed));
        all.filter_map(|number| self.counters(number)).map(Statistics::settled)
    }

    /// What one heap counts; none if it is lost to this process.
    fn counters(&'static self, number: usize) -> Option<Statistics> {
        let shard = self.shards.get(number)?;
        let whole = |heap: &Heap<H>| heap.statistics();
        // SAFETY: Nobody changes the arenas meanwhile, and the thread uses its lists by pointers.
        let part = |heap: *const Heap<H>| unsafe { Heap::<H>::statistics_of(heap) };
        self.inspect(shard, whole, part).or_else(|| {
            let mut unseen = Statistics::default();
            unseen.unseen_heaps = 1;
            shard.entry.is_owned().then_some(unseen)
        })
    }

    /// What is free in all heaps, by size. What other living threads have cached is left out.
    #[must_use]
    pub fn size_classes(&'static self) -> SizeClasses {
        let whole = |heap: &Heap<H>| heap.size_classes();
        // SAFETY: Nobody changes the arenas meanwhile.
        let part = |heap: *const Heap<H>| unsafe { Heap::<H>::size_classes_of(heap) };
        let all = self.in_use().filter_map(|shard| self.inspect(shard, whole, part));
        all.fold(SizeClasses::EMPTY, |sum, classes| sum.with(&classes))
    }

    /// Bytes of the largest free chunk of all heaps.
    #[must_use]
    pub fn largest_free_bytes(&'static self) -> usize {
        let whole = |heap: &Heap<H>| heap.largest_free_bytes();
        // SAFETY: Nobody changes the arenas meanwhile.
        let part = |heap: *const Heap<H>| unsafe { Heap::<H>::largest_free_bytes_of(heap) };
        let all = self.in_use().filter_map(|shard| self.inspect(shard, whole, part));
        all.max().unwrap_or(0)
    }

    /// Calls `whole` with a heap that the caller can have to itself, or `part` with that of another living
    /// thread, which uses its lists meanwhile. `None` if there is no way to see it.
    fn inspect<T>(
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
            // SAFETY: The thread owns it, and is outside: nothing that is called inside comes back here.
            return Some(unsafe { shard.with(|heap| whole(heap)) });
        }
        let mut seen = None;
        if !shard.visit(|heap| seen = Some(whole(heap))) {
            seen = shard.look_in(part);
        }
        seen
    }
}
