//! Slots of threads: who else gets at them, and what happens when their threads end.
#![cfg(all(feature = "std", any(unix, windows), target_has_atomic = "ptr"))]

mod common;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::Barrier;
use std::thread;

use common::block::Block;
use lock_api::{GuardSend, RawMutex};
use talloc_sync::lock::Backoff;
use talloc_sync::{ByThread, OomFn, RealTime, Talloc, TallocMagazines};

type Magazines<R = Backoff, const N: usize = 16> =
    TallocMagazines<R, RealTime, OomFn<RealTime>, ByThread, N>;

/// A heap with memory that is leaked.
fn heap<R: RawMutex, const N: usize>() -> &'static Magazines<R, N> {
    let heap: &_ = Box::leak(Box::new(Magazines::new(Talloc::configured())));
    // SAFETY: The memory is leaked.
    unsafe { heap.lock().init(Vec::leak(vec![0_u8; 4 << 20]).into()) };
    heap
}

const LAYOUT: Layout = Layout::new::<[u64; 8]>();

/// Allocates blocks, and frees them.
fn work<R: RawMutex, const N: usize>(heap: &Magazines<R, N>) {
    let blocks: Vec<_> = (0..100).map(|tag| Block::new(heap, LAYOUT, tag).unwrap()).collect();
    drop(blocks);
}

#[test]
fn what_is_in_the_slot_of_another_thread_is_seen_and_flushed() {
    let heap = heap::<Backoff, 16>();
    let (worked, flushed) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            work(heap);
            worked.wait();
            flushed.wait();
            // It goes on with its slot.
            work(heap);
        });
        worked.wait();
        let report = heap.verify().unwrap();
        assert!(report.cached_bytes > 0 && report.used_bytes == 0);
        heap.flush();
        assert_eq!(heap.verify().unwrap().cached_bytes, 0);
        flushed.wait();
    });
    assert!(heap.verify().unwrap().cached_bytes > 0);
}

/// On Linux, each has the slot that the last one had; elsewhere, they share all slots.
#[test]
fn threads_that_come_and_go_leave_no_more_than_the_slots_hold() {
    let heap = heap::<Backoff, 4>();
    let run = |threads| {
        for _ in 0..threads {
            thread::spawn(|| work(heap)).join().unwrap();
        }
        heap.verify().unwrap().cached_bytes
    };
    let few = run(20);
    assert!(few > 0);
    let many = run(1000);
    assert!(many <= 2 * few, "{many} bytes are cached, {few} were before");
}

#[test]
fn more_threads_than_numbers_share_slots() {
    let heap = heap::<Backoff, 16>();
    let start = Barrier::new(300);
    thread::scope(|scope| {
        for _ in 0..300 {
            scope.spawn(|| {
                work(heap);
                start.wait();
                work(heap);
            });
        }
    });
    assert_eq!(heap.verify().unwrap().used_bytes, 0);
    heap.flush();
    assert_eq!(heap.verify().unwrap().cached_bytes, 0);
}

thread_local! {
    static INTERRUPT: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// A lock before which the thread is interrupted, as by a signal.
struct Interrupted(Backoff);

// SAFETY: It is the lock that it has.
unsafe impl RawMutex for Interrupted {
    const INIT: Self = Self(Backoff::INIT);

    type GuardMarker = GuardSend;

    fn lock(&self) {
        if let Some(handler) = INTERRUPT.take() {
            handler();
            INTERRUPT.set(Some(handler));
        }
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: As the caller says.
        unsafe { self.0.unlock() };
    }
}

/// The heap's lock is taken while the slot is in use: what is called then goes elsewhere.
#[test]
fn a_handler_may_allocate_while_its_threads_slot_is_in_use() {
    static HEAP: Magazines<Interrupted> = Magazines::new(Talloc::configured());
    static mut ARENA: [u8; 1 << 20] = [0; 1 << 20];
    thread_local! {
        static CALLS: Cell<usize> = const { Cell::new(0) };
    }
    fn handler() {
        CALLS.set(CALLS.get() + 1);
        work(&HEAP);
    }
    // SAFETY: Nothing else uses the array.
    unsafe { HEAP.lock().init((&raw mut ARENA).into()) };
    INTERRUPT.set(Some(handler));
    let blocks: Vec<_> = (0..1000).map(|tag| Block::new(&HEAP, LAYOUT, tag as u8)).collect();
    assert!(blocks.iter().all(Option::is_some));
    drop(blocks);
    INTERRUPT.take();
    assert!(CALLS.get() > 10, "{} calls", CALLS.get());
    assert_eq!(HEAP.verify().unwrap().used_bytes, 0);
}

/// What the last destructors of a thread free and allocate is neither lost nor in anybody's way.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_thread_may_allocate_to_its_very_end() {
    use std::ffi::c_void;
    use std::ptr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static HEAP: Magazines = Magazines::new(Talloc::configured());
    static mut ARENA: [u8; 1 << 20] = [0; 1 << 20];
    static ROUNDS: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn last(value: *mut c_void) {
        ROUNDS.fetch_add(1, Ordering::Relaxed);
        work(&HEAP);
        // SAFETY: It is a block of that layout.
        unsafe { HEAP.dealloc(value.cast(), LAYOUT) };
    }

    // SAFETY: Nothing else uses the array.
    unsafe { HEAP.lock().init((&raw mut ARENA).into()) };
    // The heap's own destructor comes before those of keys that are made later.
    work(&HEAP);
    let mut key = 0;
    // SAFETY: The destructor takes the values that are set below.
    assert_eq!(unsafe { libc::pthread_key_create(&raw mut key, Some(last)) }, 0);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(move || {
                work(&HEAP);
                // SAFETY: The size is not zero.
                let block = unsafe { HEAP.alloc(LAYOUT) };
                assert_ne!(block, ptr::null_mut());
                // SAFETY: There is such a key.
                assert_eq!(unsafe { libc::pthread_setspecific(key, block.cast()) }, 0);
            });
        }
    });
    // Threads end a little after they have been waited for.
    while ROUNDS.load(Ordering::Relaxed) < 50 {
        thread::yield_now();
    }
    while HEAP.verify().unwrap().used_bytes > 0 {
        thread::yield_now();
    }
    HEAP.flush();
}
