//! The heap of a thread, and access to it by other threads.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

use talloc_core::{Config, OwnedTalloc, Segment, Talloc};

use super::delivery;
use super::entry::Entry;
use super::host::{Host, Threaded};
use super::inbox::Inbox;

/// The number of blocks that one operation takes from the inbox.
const TAKEN_BACK: usize = 128;

/// The heap of a thread.
pub(super) type Heap<H> = Talloc<Threaded<H>, <H as Host>::Source>;

/// The quick lists of a heap, which are the cache of its thread.
pub(super) type Cache<H> = <Threaded<H> as Config>::Quick;

/// The heap of one thread at a time.
///
/// Three parties use it. The owner uses the quick lists at any time, and the whole heap while it is inside, by
/// `Entry`. Another thread uses the arenas while the `Entry` keeps the owner outside. All threads push to the inbox.
#[repr(C, align(128))]
pub struct Shard<H: Host> {
    heap: UnsafeCell<OwnedTalloc<Threaded<H>, H::Source>>,
    /// Blocks from the inbox that have not been taken back yet; part of the heap.
    waiting: UnsafeCell<Option<NonNull<u8>>>,
    pub(super) entry: Entry,
    /// Whether another thread has asked the owner to trim the heap.
    pub(super) is_trim_wanted: AtomicBool,
    pub(super) inbox: Inbox,
}

// SAFETY: The heap is used only by its owner, which is one thread at a time, or by a thread that has visited or borrowed it
// through the `Entry`, which synchronises them. The other fields are atomic.
unsafe impl<H: Host> Sync for Shard<H> {}

impl<H: Host> Shard<H> {
    pub(super) const fn new() -> Self {
        Self {
            heap: UnsafeCell::new(Talloc::with_source(H::SOURCE)),
            waiting: UnsafeCell::new(None),
            entry: Entry::new(),
            is_trim_wanted: AtomicBool::new(false),
            inbox: Inbox::new(),
        }
    }

    /// The quick lists.
    #[inline(always)]
    pub(super) fn cache(&self) -> *mut Cache<H> {
        // SAFETY: The pointer is to a valid heap, and only a field of it is projected.
        unsafe { Heap::<H>::lists_of(self.heap.get()) }
    }

    /// Returns the heap.
    ///
    /// # Safety
    ///
    /// The caller has the heap, and there is no other reference to it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the caller answers for that")]
    unsafe fn heap_mut(&self) -> &mut Heap<H> {
        // SAFETY: The caller has the heap alone.
        unsafe { &mut *self.heap.get() }
    }

    /// Takes some blocks back from the inbox, and calls `f` with the heap.
    ///
    /// # Safety
    ///
    /// The caller owns the shard, and is not inside.
    #[inline(always)]
    pub(super) unsafe fn with<T>(&self, f: impl FnOnce(&mut Heap<H>) -> T) -> T {
        self.entry.enter(H::pause);
        // SAFETY: The owner is inside.
        let heap = unsafe { self.heap_mut() };
        // SAFETY: As above.
        if !self.inbox.is_empty() || unsafe { (*self.waiting.get()).is_some() } {
            // SAFETY: As above.
            unsafe { self.take_back(heap, TAKEN_BACK) };
        }
        if self.is_trim_wanted.load(Relaxed) {
            self.is_trim_wanted.store(false, Relaxed);
            heap.flush();
            heap.send_strays();
            heap.trim();
        }
        let done = f(heap);
        self.entry.exit();
        done
    }

    /// Takes all blocks back from the inbox, and calls `f` with the heap.
    ///
    /// # Safety
    ///
    /// As for [`with`](Self::with).
    pub(super) unsafe fn with_all<T>(&self, f: impl FnOnce(&mut Heap<H>) -> T) -> T {
        // SAFETY: The caller owns the shard, and the heap is this shard's.
        unsafe {
            self.with(|heap| {
                self.take_back(heap, usize::MAX);
                f(heap)
            })
        }
    }

    /// If no thread owns the heap, takes all blocks back from the inbox, and calls `f` with the heap. Returns whether it
    /// did.
    pub(super) fn visit(&self, f: impl FnOnce(&mut Heap<H>)) -> bool {
        if !self.entry.visit() {
            return false;
        }
        // SAFETY: The shard has been visited.
        unsafe {
            let heap = self.heap_mut();
            self.take_back(heap, usize::MAX);
            f(heap);
        }
        // Threads that have sent blocks meanwhile could not visit the heap.
        delivery::end_visit(&self.inbox, &self.entry, || {
            // SAFETY: The shard has been visited again.
            unsafe { self.take_back(self.heap_mut(), usize::MAX) };
        });
        true
    }

    /// Calls `f` with the heap of a living thread, if the thread is outside or comes out soon. During the call, the
    /// thread accesses only its quick lists, through raw pointers.
    pub(super) fn look_in<T>(&self, f: impl FnOnce(*const Heap<H>) -> T) -> Option<T> {
        if !self.entry.borrow(H::barrier) {
            return None;
        }
        let seen = f(self.heap.get());
        self.entry.give_back();
        Some(seen)
    }

    /// Calls `f` with the heap.
    ///
    /// # Safety
    ///
    /// The caller has the shard alone, by a lock.
    pub(super) unsafe fn with_locked<T>(&self, f: impl FnOnce(&mut Heap<H>) -> T) -> T {
        // SAFETY: The caller has the shard alone.
        unsafe {
            let heap = self.heap_mut();
            self.take_back(heap, TAKEN_BACK);
            f(heap)
        }
    }

    /// Takes blocks back from the inbox: whole segments, until there are at least `most` blocks.
    ///
    /// # Safety
    ///
    /// The caller has the heap, which is this shard's.
    #[cold]
    #[inline(never)]
    unsafe fn take_back(&self, heap: &mut Heap<H>, most: usize) {
        // SAFETY: The waiting blocks are part of the heap.
        let waiting = unsafe { &mut *self.waiting.get() };
        let mut taken = 0;
        while taken < most {
            let Some(block) = waiting.take().or_else(|| self.inbox.take()) else { return };
            // SAFETY: The blocks in the inbox are of parcels for this heap (`Peers::deliver`), and nobody
            // uses them.
            unsafe {
                let (segment, next) = Segment::read(block);
                *waiting = next;
                taken += segment.blocks();
                heap.backend().take_back(segment);
            }
        }
    }

    /// Returns all cached blocks to their heaps.
    ///
    /// # Safety
    ///
    /// The caller has the heap.
    pub(super) unsafe fn empty(&self, heap: &mut Heap<H>) {
        // SAFETY: The caller has the heap, which is this shard's.
        unsafe { self.take_back(heap, usize::MAX) };
        heap.flush();
        heap.send_strays();
    }
}
