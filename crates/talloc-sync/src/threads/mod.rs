//! A heap for each thread.
//!
//! A thread allocates from its own heap, a *shard*. The quick lists of the shard are the thread's cache. A call that the
//! cache serves takes no lock, uses no atomic operation, and accesses no memory that other threads write to.
//!
//! - **Blocks freed by another thread** go on that thread's lists, which may reuse them, as in jemalloc's
//!   caches (Evans 2006). Such blocks are *strays*. When a list overflows, strays are sent back to the *inbox* of their
//!   heap, many at a time, as in snmalloc (Lietar et al. 2019).
//! - **A thread that ends** empties its cache, and the next thread takes over the shard. If blocks are sent to a shard that
//!   no thread owns, the sender takes them back into the shard's heap.
//! - **A thread without a shard**, or that is about to end, is a *guest*. Guests share one heap behind a lock.
//! - **Other threads** may enter the heap of a living thread while that thread is outside, to check it: see `entry.rs`.

mod delivery;
mod entry;
mod host;
mod inbox;
mod map;
mod operations;
mod shard;
mod statistics;
#[cfg(doc)]
mod walkthrough;

pub use host::{FRESH_MEMORY, Home, Host, Threaded};
pub use shard::Shard;

use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicUsize};

use lock_api::RawMutex;
use talloc_core::{Parcel, Report, Violation};

use crate::lock::Backoff;
use shard::Heap;

/// The number of heaps. The number of a heap is a byte. The first heap is that of guests, so 254 threads can have their
/// own heaps.
pub const SHARDS: usize = 255;

/// The heaps of all threads of a program.
pub struct Heaps<H: Host> {
    shards: [Shard<H>; SHARDS],
    /// A shard without memory, for threads that have not allocated yet. No thread ever enters it.
    nobody: Shard<H>,
    /// A shard without memory, for guests. No thread ever enters it.
    guest: Shard<H>,
    /// The number of the heap of guests, and its lock.
    guests: AtomicUsize,
    lock: UnsafeCell<Backoff>,
    /// Shards from this number on are fresh.
    used: AtomicUsize,
    /// Whether the host is ready for threads to have heaps.
    has_begun: AtomicBool,
    /// Requests that no heap could serve.
    refused: AtomicUsize,
}

// SAFETY: The shards are `Sync`. The lock is only replaced while there is one thread (`after_fork`).
unsafe impl<H: Host> Sync for Heaps<H> {}

impl<H: Host> Heaps<H> {
    /// Heaps without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            shards: [const { Shard::new() }; SHARDS],
            nobody: Shard::new(),
            guest: Shard::new(),
            guests: AtomicUsize::new(0),
            lock: UnsafeCell::new(Backoff::INIT),
            used: AtomicUsize::new(0),
            has_begun: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
        }
    }

    /// The offset of [`nobody`](Self::nobody) in bytes.
    pub const NOBODY: usize = core::mem::offset_of!(Self, nobody);

    /// Returns the shard of threads that have not allocated yet, for [`Host::current`].
    #[must_use]
    pub const fn nobody(&'static self) -> *const Shard<H> {
        &raw const self.nobody
    }

    /// Returns the shard that the calling thread owns, and finds one if the thread has none; `None` for a guest.
    #[inline(always)]
    fn own(&'static self) -> Option<&'static Shard<H>> {
        let current = H::current();
        if core::ptr::eq(current, &raw const self.nobody) {
            return self.settle();
        }
        // SAFETY: It is one of the shards of these heaps, which are static.
        (!core::ptr::eq(current, &raw const self.guest)).then(|| unsafe { &*current })
    }

    /// Finds a shard for the calling thread: one that another thread has left, or a fresh one.
    #[cold]
    #[inline(never)]
    fn settle(&'static self) -> Option<&'static Shard<H>> {
        if !self.has_begun.load(Acquire) && !self.begin() {
            // Another thread is initialising the heaps. Until it is done, this thread is a guest.
            return None;
        }
        let Some(number) = self.claim() else {
            H::set_current(&raw const self.guest);
            return None;
        };
        let shard = &self.shards[number];
        H::set_current(shard);
        // SAFETY: The shard has been claimed.
        unsafe { shard.with(|heap| wake(heap, number)) };
        if !H::watch_exit() {
            self.leave();
            return None;
        }
        Some(shard)
    }

    /// Makes the first shard that of guests, once. Returns true for the thread that does it.
    fn begin(&'static self) -> bool {
        let is_first = self.used.compare_exchange(0, 1, Acquire, Relaxed).is_ok();
        if is_first {
            // No thread ever owns this shard: guests use it behind the lock.
            self.shards[0].entry.claim_fresh();
            // The initialisation may allocate, as a guest.
            H::set_current(&raw const self.guest);
            H::begin();
            H::set_current(&raw const self.nobody);
            self.has_begun.store(true, Release);
        }
        is_first
    }

    /// Claims a shard that no thread owns.
    fn claim(&'static self) -> Option<usize> {
        let used = self.used.load(Acquire);
        let left = (1..used).find(|number| self.shards[*number].entry.claim());
        left.or_else(|| {
            (used..SHARDS).find(|number| {
                let is_claimed = self.shards[*number].entry.claim_fresh();
                self.used.fetch_max(*number + 1, Release);
                is_claimed
            })
        })
    }

    /// Gives up the calling thread's heap. A thread calls this when it ends. Cached blocks return to their heaps, and
    /// another thread may take over the shard. From then on, the calling thread is a guest.
    pub fn leave(&'static self) {
        let current = H::current();
        H::set_current(&raw const self.guest);
        if core::ptr::eq(current, &raw const self.nobody)
            || core::ptr::eq(current, &raw const self.guest)
        {
            return;
        }
        // SAFETY: It is one of the shards of these heaps, which are static.
        let shard = unsafe { &*current };
        // SAFETY: The thread owns it.
        unsafe {
            shard.with(|heap| {
                shard.empty(heap);
                heap.rest();
            });
        }
        delivery::leave(&shard.inbox, &shard.entry, || _ = shard.visit(|_| ()));
    }

    /// Sends blocks to the heap that they belong to.
    pub(super) fn deliver(&'static self, owner: u8, parcel: Parcel) {
        let Some(shard) = self.shards.get(usize::from(owner)) else {
            return operations::free_remnants::<H>(parcel);
        };
        let ends = parcel.into_ends();
        // SAFETY: A parcel owns its blocks. The last one starts with a link.
        unsafe { delivery::send(&shard.inbox, &shard.entry, ends, || _ = shard.visit(|_| ())) };
    }

    /// Calls `f` with the heap of guests, behind the lock.
    #[cold]
    #[inline(never)]
    fn as_guest<T>(
        &'static self,
        f: impl FnOnce(&mut talloc_core::Talloc<Threaded<H>, H::Source>) -> T,
    ) -> T {
        // SAFETY: The lock is replaced only in a process of one thread.
        let lock = unsafe { &*self.lock.get() };
        lock.lock();
        let number = self.guests.load(Relaxed);
        // SAFETY: The lock is held, and nobody else uses the heap of guests.
        let done = unsafe {
            self.shards[number].with_locked(|heap| {
                wake(heap, number);
                f(heap)
            })
        };
        // SAFETY: It is held.
        unsafe { lock.unlock() };
        done
    }

    /// Calls `f` with the caller's heap.
    #[inline(always)]
    fn with<T>(
        &'static self,
        f: impl FnOnce(&mut talloc_core::Talloc<Threaded<H>, H::Source>) -> T,
    ) -> T {
        match self.own() {
            // SAFETY: The thread owns it, and is outside: nothing that is called inside comes back here.
            Some(shard) => unsafe { shard.with(f) },
            None => self.as_guest(f),
        }
    }

    /// Returns all free memory to the source. The caller's heap, the heap of guests, and heaps that no thread owns do so at
    /// once. Each other heap does so when its thread next uses its arenas.
    pub fn trim(&'static self) {
        if let Some(shard) = self.own() {
            // SAFETY: The thread owns it, and is outside.
            unsafe { shard.with_all(|heap| shard_trim(heap)) };
        }
        self.as_guest(|heap| shard_trim(heap));
        self.give_up_idle();
        for shard in self.in_use() {
            shard.is_trim_wanted.store(true, Relaxed);
        }
        if let Some(shard) = self.own() {
            shard.is_trim_wanted.store(false, Relaxed);
        }
    }

    /// Trims the heaps that no thread owns.
    fn give_up_idle(&'static self) {
        for shard in self.in_use() {
            shard.visit(|heap| shard_trim(heap));
        }
    }

    /// Returns all shards that a thread owns or has owned.
    fn in_use(&'static self) -> impl Iterator<Item = &'static Shard<H>> {
        self.shards[..self.used.load(Acquire).min(SHARDS)].iter()
    }

    /// Checks all heaps, and counts their chunks and blocks.
    ///
    /// The blocks that other living threads have cached, and the free memory of their slabs, count as used. The heaps of
    /// these threads are left out if there is no [barrier](Host::barrier).
    ///
    /// # Errors
    ///
    /// The first [`Violation`] that is found.
    pub fn verify(&'static self) -> Result<Report, Violation> {
        let mut sum = self.as_guest(|heap| heap.verify_shard())?;
        if let Some(shard) = self.own() {
            // SAFETY: The thread owns it, and is outside.
            sum = sum.with(&unsafe { shard.with_all(|heap| heap.verify_shard()) }?);
        }
        let own = H::current();
        let guests = &raw const self.shards[self.guests.load(Relaxed)];
        let is_other =
            |shard: &&Shard<H>| !core::ptr::eq(*shard, own) && !core::ptr::eq(*shard, guests);
        for shard in self.in_use().filter(is_other) {
            let mut checked = None;
            if !shard.visit(|heap| checked = Some(heap.verify_shard())) {
                // SAFETY: `look_in` keeps the owner out of the arenas.
                checked = shard.look_in(|heap| unsafe { Heap::<H>::verify_arenas_of(heap) });
            }
            if let Some(report) = checked {
                sum = sum.with(&report?);
            }
        }
        Ok(sum)
    }

    /// Makes the heaps usable in the child of a fork, in which the caller is the only thread.
    ///
    /// Other threads may have been in the middle of an operation, so their heaps are given up. The caller's heap is whole.
    ///
    /// # Safety
    ///
    /// There is one thread.
    pub unsafe fn after_fork(&'static self) {
        let current = H::current();
        // SAFETY: There is one thread. If the lock is taken, its holder does not exist in this process.
        let is_guests_whole = unsafe { (*self.lock.get()).try_lock() };
        // SAFETY: There is one thread, and it does not hold the lock.
        unsafe { self.lock.get().write(Backoff::INIT) };
        let guests = &raw const self.shards[self.guests.load(Relaxed)];
        for shard in self.in_use() {
            if core::ptr::eq(shard, current) {
                shard.entry.keep();
            } else if !core::ptr::eq(shard, guests) || !is_guests_whole {
                shard.entry.lose();
            }
        }
        if !is_guests_whole {
            let fresh = (1..SHARDS).find(|number| self.shards[*number].entry.claim_fresh());
            if let Some(number) = fresh {
                self.used.fetch_max(number + 1, Release);
                self.guests.store(number, Relaxed);
            }
        }
        // SAFETY: It is one of the shards of these heaps, or not looked into.
        let is_lost = !core::ptr::eq(current, &raw const self.nobody)
            && !core::ptr::eq(current, &raw const self.guest)
            && unsafe { !(*current).entry.is_owned() };
        if is_lost {
            H::set_current(&raw const self.nobody);
        }
    }
}

impl<H: Host> Default for Heaps<H> {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets the number of a heap and its source, and lets the heap cache blocks again.
fn wake<H: Host>(heap: &mut talloc_core::Talloc<Threaded<H>, H::Source>, number: usize) {
    H::number(heap.source_mut(), number as u8);
    // SAFETY: It is the heap of that number, for which the host's sources claim memory (`Host`).
    unsafe { heap.wake(number as u8) };
}

/// Sends strays to their heaps, and returns the heap's free memory.
fn shard_trim<H: Host>(heap: &mut talloc_core::Talloc<Threaded<H>, H::Source>) {
    heap.flush();
    heap.send_strays();
    heap.trim();
}
