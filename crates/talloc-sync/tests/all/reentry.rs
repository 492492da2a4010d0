//! Reentrant use of a heap: it panics with a clear message, and the heap stays usable. For cells, see `cell.rs`.

use core::alloc::Layout;
use std::alloc::GlobalAlloc;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::common::block::Block;
use crate::common::thread::Thread;
use talloc_sync::lock::{Backoff, ErrorChecking, RawMutex};
use talloc_sync::{AllocError, Compact, Source, Talloc, Tallock, shared};

const BLOCK: Layout = Layout::new::<[u64; 8]>();
const TOO_LARGE: Layout = Layout::new::<[u8; 1 << 20]>();

/// Runs `f`, which must panic, and returns the message.
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(f)) else { panic!("it did not panic") };
    match panic.downcast::<&str>() {
        Ok(text) => text.to_string(),
        Err(panic) => *panic.downcast::<String>().expect("the panic has a message"),
    }
}

/// A source that uses its heap through the public handle.
struct Again(fn());

impl Source<Compact> for Again {
    fn acquire(heap: &mut Talloc<Compact, Self>, _: Layout) -> Result<(), AllocError> {
        (heap.source().0)();
        Err(AllocError)
    }
}

/// Checks that a heap is usable: frees an earlier block, and allocates another one.
fn is_usable<H: GlobalAlloc>(heap: &H, before: Block<&H>) {
    drop(before);
    drop(Block::new(heap, BLOCK, 2).expect("there is room"));
}

/// Tests a static heap with this name, whose source is [`Again`]. The function `lend` calls a closure with the heap.
macro_rules! used_again {
    ($heap:ident, $says:literal) => {
        let memory = vec![0_u8; 4096].leak();
        // SAFETY: The memory is leaked, and nothing else uses it.
        lend(|heap| unsafe { heap.init(memory.into()) });
        // This avoids `GlobalAlloc`, because nothing unwinds out of it.
        let uses: [fn(); 3] = [
            || assert!(shared::allocate(&$heap, BLOCK).is_ok()),
            || assert!(shared::allocate_zeroed(&$heap, BLOCK).is_ok()),
            || lend(|heap| heap.flush()),
        ];
        for again in uses {
            let before = Block::new(&$heap, BLOCK, 1).expect("there is room");
            lend(|heap| heap.source_mut().0 = again);
            // The source is called when a request is too large.
            let said = panic_of(|| shared::allocate(&$heap, TOO_LARGE).is_err());
            assert!(said.contains($says), "{said}");
            // The heap is lent.
            let said = panic_of(|| lend(|_| again()));
            assert!(said.contains($says), "{said}");
            lend(|heap| heap.verify()).unwrap();
            is_usable(&$heap, before);
        }
        lend(|heap| heap.flush());
        let report = lend(|heap| heap.verify()).unwrap();
        assert_eq!((report.used_bytes, report.free_chunks), (0, 1));
    };
}

type Owned = ErrorChecking<Backoff, Thread>;

#[test]
fn a_lock_that_knows_its_owner_panics() {
    static HEAP: Tallock<Owned, Compact, Again> = Talloc::with_source(Again(|| ())).lock();
    fn lend<T>(f: impl FnOnce(&mut Talloc<Compact, Again>) -> T) -> T {
        f(&mut HEAP.0.lock())
    }
    used_again!(HEAP, "waited for by the one who holds it");
}

#[test]
#[cfg(feature = "critical-section")]
fn a_critical_section_panics() {
    use talloc_sync::TallocCritical;
    static HEAP: TallocCritical<Compact, Again> =
        TallocCritical::new(Talloc::with_source(Again(|| ())));
    fn lend<T>(f: impl FnOnce(&mut Talloc<Compact, Again>) -> T) -> T {
        HEAP.with(f)
    }
    used_again!(HEAP, "must not be used again");
    assert_eq!(crate::common::interrupts::depth(), 0);
}

/// Whether a thread waits for the [`Announced`] lock, which only one test uses.
static WAITED_FOR: AtomicBool = AtomicBool::new(false);

/// A lock that records when a thread waits for it.
struct Announced(Backoff);

// SAFETY: It delegates to the inner lock.
unsafe impl RawMutex for Announced {
    const INIT: Self = Self(Backoff::INIT);

    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        if !self.0.try_lock() {
            WAITED_FOR.store(true, Ordering::Relaxed);
            self.0.lock();
        }
    }

    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: The caller holds the lock.
        unsafe { self.0.unlock() }
    }
}

#[test]
fn the_owner_panics_while_another_thread_waits() {
    let lock = lock_api::Mutex::<ErrorChecking<Announced, Thread>, u32>::new(0);
    let guard = lock.lock();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            assert!(lock.try_lock().is_none());
            let mut guard = lock.lock();
            *guard += 1;
            assert!(lock.is_locked() && lock.try_lock().is_none());
        });
        while !WAITED_FOR.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        assert!(lock.try_lock().is_none(), "the owner cannot acquire it twice");
        panic_of(|| lock.lock());
        drop(guard);
        other.join().unwrap();
    });
    assert_eq!(*lock.try_lock().unwrap(), 1);
    assert!(!lock.is_locked());
}

#[test]
fn a_former_owner_can_acquire_the_lock_again() {
    let lock = lock_api::Mutex::<ErrorChecking<Backoff, parking_lot::RawThreadId>, ()>::new(());
    for _ in 0..3 {
        drop(lock.lock());
        let guard = lock.try_lock().unwrap();
        panic_of(|| lock.lock());
        drop(guard);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.lock();
            panic!("panics while it holds the lock");
        }));
        assert!(unwound.is_err() && !lock.is_locked());
    }
}

/// With many waiting threads, a thread panics only when it waits for itself.
#[test]
fn each_of_many_threads_is_detected() {
    let lock = lock_api::Mutex::<Owned, usize>::new(0);
    let (rounds, threads, found) = (2000, 4, AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..threads {
            let (lock, found) = (&lock, &found);
            scope.spawn(move || {
                for round in 0..rounds {
                    let mut guard = lock.lock();
                    *guard += 1;
                    if (round + thread) % 100 == 0 {
                        let caught = catch_unwind(AssertUnwindSafe(|| {
                            // SAFETY: No other thread depends on the state of the lock, because this panics.
                            unsafe { lock.raw() }.lock();
                        }));
                        found.fetch_add(usize::from(caught.is_err()), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), rounds * threads);
    assert_eq!(found.into_inner(), rounds * threads / 100);
}
