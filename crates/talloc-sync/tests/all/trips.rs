//! Which work is done while the lock is held.

use core::alloc::Layout;
use core::cell::RefCell;
use std::alloc::GlobalAlloc;

use lock_api::{GuardNoSend, RawMutex};
use talloc_sync::{RealTime, Span, Talloc, Tallock, shared};

/// The value of the bytes that are counted.
const MARK: u8 = 0xA7;

/// An event of the lock, and the number of marks in the watched memory at that time.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Locked(usize),
    Unlocked(usize),
}
use Event::{Locked, Unlocked};

std::thread_local! {
    static WATCHED: RefCell<(Span, Vec<Event>)> = const { RefCell::new((Span::empty(), Vec::new())) };
}

fn record(event: fn(usize) -> Event) {
    WATCHED.with_borrow_mut(|(memory, events)| events.push(event(marks(*memory))));
}

fn marks(memory: Span) -> usize {
    let bytes = (0..memory.size()).map(|offset| {
        let start = memory.get_base_ptr().unwrap();
        // SAFETY: The tests watch initialised memory that only this thread uses.
        unsafe { start.add(offset).read() }
    });
    bytes.filter(|&byte| byte == MARK).count()
}

/// A lock that records when it is acquired and released, and panics on reentrant use.
struct Traced(core::cell::Cell<bool>);

// SAFETY: Only one thread uses it, and it panics if it is acquired twice.
unsafe impl RawMutex for Traced {
    const INIT: Self = Self(core::cell::Cell::new(false));

    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        assert!(self.try_lock(), "the lock is already held");
    }

    fn try_lock(&self) -> bool {
        record(Locked);
        !self.0.replace(true)
    }

    unsafe fn unlock(&self) {
        self.0.set(false);
        record(Unlocked);
    }
}

/// Runs `test` with a heap. Discards the events before it.
fn with_heap(test: impl FnOnce(&Tallock<Traced, RealTime>)) {
    let mut memory = vec![0_u8; 10_000];
    let heap = Talloc::<RealTime>::with_config().lock::<Traced>();
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe { heap.0.lock().init(memory.as_mut_slice().into()) };
    let arena = heap.0.lock().get_arena();
    WATCHED.set((arena, Vec::new()));
    test(&heap);
    WATCHED.take();
    heap.0.lock().verify().unwrap();
}

/// Returns the events since the last call.
fn events() -> Vec<Event> {
    WATCHED.with_borrow_mut(|(_, events)| core::mem::take(events))
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

#[test]
fn a_block_that_moves_is_copied_outside_of_the_lock() {
    with_heap(|heap| {
        // SAFETY: Each block is used with its layout.
        unsafe {
            let block = heap.alloc(layout(100));
            heap.alloc(layout(8));
            block.write_bytes(MARK, 100);
            events();
            let moved = heap.realloc(block, layout(100), 1000);
            assert_ne!(moved, block);
        }
        let in_place = [Locked(100), Unlocked(100)];
        let malloc = [Locked(100), Unlocked(100)];
        let events = events();
        assert_eq!(events[..4], [in_place, malloc].as_flattened()[..]);
        // The copy is complete when the old block is freed.
        assert_eq!(events[4], Locked(200));
        assert_eq!(events.len(), 6);
    });
}

#[test]
fn a_block_that_stays_takes_one_trip() {
    with_heap(|heap| {
        // SAFETY: Each block is used with its layout.
        unsafe {
            let block = heap.alloc(layout(100));
            events();
            assert_eq!(heap.realloc(block, layout(100), 1000), block);
            assert_eq!(events(), [Locked(0), Unlocked(0)]);
            assert_eq!(heap.realloc(block, layout(1000), 10), block);
            assert_eq!(events(), [Locked(0), Unlocked(0)]);
            heap.dealloc(block, layout(10));
            assert_eq!(events(), [Locked(0), Unlocked(0)]);
        }
    });
}

#[test]
fn a_block_is_cleared_outside_of_the_lock() {
    with_heap(|heap| {
        // SAFETY: Each block is used with its layout.
        unsafe {
            let block = heap.alloc(layout(1000));
            block.write_bytes(MARK, 1000);
            heap.dealloc(block, layout(1000));
            events();
            let zeroed = heap.alloc_zeroed(layout(1000));
            assert_eq!(zeroed, block);
        }
        // There is one trip, which writes only to the ends of the block.
        let events = events();
        assert!(matches!(events[..], [Locked(900..), Unlocked(900..)]), "{events:?}");
        assert_eq!(marks(WATCHED.with_borrow(|(memory, _)| *memory)), 0);
    });
}

#[test]
fn size_zero_takes_no_trip() {
    with_heap(|heap| {
        let block = shared::allocate(heap, layout(0)).unwrap().cast();
        // SAFETY: A block of size zero is never freed.
        unsafe { shared::deallocate(heap, block, layout(0)) };
        assert_eq!(events(), []);
    });
}
