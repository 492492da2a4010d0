//! Heaps that threads share, in memory that they are given.

use super::work::{Cost, Load};
use crate::{heap::Heap, heaps};
use lock_api::{Mutex, RawMutex};
use std::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};
use talloc_sync::{
    ByStack, Caller, Compact, Config, OomHandler, RealTime, SharedHeap, Talloc, TallocMagazines,
    lock::Backoff,
};

type CountTrips = fn(&Load, NonNull<[u8]>) -> usize;

/// A heap that threads share.
pub struct Entry {
    pub name: &'static str,
    /// Whether it runs only when named.
    pub on_demand: bool,
    run: fn(&Load, NonNull<[u8]>) -> Cost,
    /// Counts how often its lock is taken, if that can be counted.
    pub trips: Option<CountTrips>,
}

impl Entry {
    /// Lets threads work on a new heap.
    ///
    /// # Safety
    /// The memory is nobody else's during the call.
    pub unsafe fn run(&self, load: &Load, memory: NonNull<[u8]>) -> Cost {
        (self.run)(load, memory)
    }
}

/// The heaps in the order of the tables' columns.
pub static HEAPS: &[Entry] = &[
    Entry {
        name: "magazines",
        on_demand: false,
        run: on_magazines::<Backoff, Compact, ByStack>,
        trips: Some(count_trips::<Compact>),
    },
    Entry {
        name: "magazines-plain",
        on_demand: true,
        run: on_magazines::<Backoff, RealTime, ByStack>,
        trips: Some(count_trips::<RealTime>),
    },
    locked::<heaps::Talloc<Compact>, Backoff>("talloc"),
    locked::<heaps::Talc5, Backoff>("talc5"),
    locked::<heaps::Rlsf, Backoff>("rlsf"),
    locked::<heaps::Galloc, Backoff>("galloc"),
];

/// Slots of the magazines.
const SLOTS: usize = 256;

type Magazines<R, C, W> = TallocMagazines<R, C, OomHandler<C>, W, SLOTS>;

fn on_magazines<R: RawMutex + Send + Sync, C: Config, W: Caller>(
    load: &Load,
    memory: NonNull<[u8]>,
) -> Cost {
    let heap: Box<Magazines<R, C, W>> = Box::new(Magazines::new(Talloc::with_config()));
    // SAFETY: The memory is lent for the call.
    unsafe { heap.lock().init(memory.into()) };
    let time = load.run(&*heap);
    heap.verify().expect("the heap is in order");
    time
}

/// How often the heap's lock is taken.
fn count_trips<C: Config>(load: &Load, memory: NonNull<[u8]>) -> usize {
    let before = TRIPS.load(Relaxed);
    on_magazines::<Counted, C, ByStack>(load, memory);
    TRIPS.load(Relaxed) - before
}

static TRIPS: AtomicUsize = AtomicUsize::new(0);

/// A lock that counts in [`TRIPS`] how often it is taken.
struct Counted(Backoff);

// SAFETY: All calls go to the lock within.
unsafe impl RawMutex for Counted {
    const INIT: Self = Self(Backoff::INIT);

    type GuardMarker = <Backoff as RawMutex>::GuardMarker;

    fn lock(&self) {
        TRIPS.fetch_add(1, Relaxed);
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: The caller holds it.
        unsafe { self.0.unlock() }
    }
}

/// A heap behind a lock.
#[repr(align(128))]
pub struct Locked<H, R>(pub Mutex<R, H>);

impl<H, R: RawMutex> Locked<H, R> {
    /// Puts a heap behind a lock.
    pub fn new(heap: H) -> Self {
        Self(Mutex::new(heap))
    }
}

/// The entry of a heap behind a lock.
const fn locked<H: Heap + Send, R: RawMutex + Send + Sync>(name: &'static str) -> Entry {
    Entry { name, on_demand: false, run: on_locked::<H, R>, trips: None }
}

fn on_locked<H: Heap + Send, R: RawMutex + Send + Sync>(
    load: &Load,
    memory: NonNull<[u8]>,
) -> Cost {
    let heap = Box::new(Locked::<H, R>::new(H::empty()));
    // SAFETY: The memory is lent for the call, and the heap stays where it is.
    assert!(unsafe { heap.0.lock().init(memory) }, "the memory is too small");
    load.run(&*heap)
}

// SAFETY: The heap within returns blocks with the size and alignment of the layout, and the lock admits one thread at a
// time.
unsafe impl<H: Heap + Send, R: RawMutex> GlobalAlloc for Locked<H, R> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The contract of the inner allocator's method is the same.
        unsafe { self.0.lock().alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The contract of the inner allocator's method is the same.
        unsafe { self.0.lock().dealloc(ptr, layout) }
    }
}
