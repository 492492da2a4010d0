//! Models of what a lock must do, for any lock that is made of loom's atomics.
//!
//! Loom tries the orders in which the threads may run, and the values that the memory model lets
//! each load see. It fails where two threads have a cell at once, or one after the other without
//! the second being sure to see what the first did, and where no thread can go on.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::GlobalAlloc;

use loom::cell::UnsafeCell;
use loom::sync::{Arc, mpsc};
use loom::thread;
use talloc_sync::lock::RawMutex;
use talloc_sync::{Span, Talloc, Tallock};

/// What the lock protects, and how often it has been changed.
struct Shared<R> {
    lock: R,
    count: UnsafeCell<usize>,
}

// SAFETY: The cell is used only while the lock is held, which is what the models are about.
unsafe impl<R: Sync> Sync for Shared<R> {}

impl<R: RawMutex> Shared<R> {
    /// It is made before there are other threads, and so is the lock's model.
    fn new() -> Arc<Self> {
        let shared = Self { lock: R::INIT, count: UnsafeCell::new(0) };
        assert!(!shared.lock.is_locked());
        Arc::new(shared)
    }

    /// Counts while the lock is held.
    fn count(&self) {
        assert!(self.lock.is_locked());
        // SAFETY: Whoever has the lock has the count.
        self.count.with_mut(|count| unsafe { *count += 1 });
        // SAFETY: It is held.
        unsafe { self.lock.unlock() };
    }
}

/// No two threads have the lock at once, each sees what the last one did, and none waits for ever.
pub fn counting<R: RawMutex + Send + Sync + 'static>(threads: usize) {
    loom::model(move || {
        let shared = Shared::<R>::new();
        let count = |shared: Arc<Shared<R>>| {
            move || {
                shared.lock.lock();
                shared.count();
            }
        };
        let others: Vec<_> = (1..threads).map(|_| thread::spawn(count(shared.clone()))).collect();
        count(shared.clone())();
        others.into_iter().for_each(|other| other.join().unwrap());

        assert!(!shared.lock.is_locked());
        // SAFETY: The other threads are gone.
        assert_eq!(shared.count.with(|count| unsafe { *count }), threads);
    });
}

/// Who tries to get the lock gets it or not, and all is the same as if it had waited.
pub fn trying<R: RawMutex + Send + Sync + 'static>() {
    loom::model(|| {
        let shared = Shared::<R>::new();
        let other = thread::spawn({
            let shared = shared.clone();
            move || {
                let got_it = shared.lock.try_lock();
                if got_it {
                    shared.count();
                }
                usize::from(got_it)
            }
        });
        shared.lock.lock();
        assert!(!shared.lock.try_lock());
        shared.count();
        let count = 1 + other.join().unwrap();
        // SAFETY: The other thread is gone.
        assert_eq!(shared.count.with(|count| unsafe { *count }), count);
    });
}

/// Granules of the heap's memory.
const GRANULES: usize = 64;

const LAYOUT: Layout = Layout::new::<[u64; 2]>();

/// A heap behind a lock, and a cell for each granule of its memory: loom does not see what is done
/// to the memory itself.
struct Heap<R: RawMutex> {
    heap: Tallock<R>,
    memory: NonNull<[u64; GRANULES]>,
    cells: Vec<UnsafeCell<()>>,
}

// SAFETY: The memory is the heap's, which is behind a lock, and a cell is used by who has the block.
unsafe impl<R: RawMutex + Send> Send for Heap<R> {}

// SAFETY: The memory is the heap's, which is behind a lock, and a cell is used by who has the block.
unsafe impl<R: RawMutex + Sync> Sync for Heap<R> {}

/// A block that a thread has.
struct Block(NonNull<u8>);

// SAFETY: Whoever has it is the only one.
unsafe impl Send for Block {}

impl<R: RawMutex> Heap<R> {
    fn new() -> Arc<Self> {
        let memory = NonNull::from(Box::leak(Box::new([0; GRANULES])));
        let heap: Tallock<R> = Talloc::new().lock();
        // SAFETY: The memory outlives the heap, and nothing else uses it.
        unsafe { heap.0.lock().init(Span::from_ptr_size(memory.as_ptr().cast(), 8 * GRANULES)) };
        let cells = (0..GRANULES).map(|_| UnsafeCell::new(())).collect();
        Arc::new(Self { heap, memory, cells })
    }

    fn allocate(&self) -> Block {
        // SAFETY: The size is not zero.
        let block = Block(NonNull::new(unsafe { self.heap.alloc(LAYOUT) }).unwrap());
        self.write(&block);
        block
    }

    fn free(&self, block: Block) {
        self.write(&block);
        // SAFETY: The block is the heap's and has this layout.
        unsafe { self.heap.dealloc(block.0.as_ptr(), LAYOUT) };
    }

    /// Writes all of a block.
    fn write(&self, block: &Block) {
        let at = (block.0.addr().get() - self.memory.addr().get()) / 8;
        for cell in &self.cells[at..at + LAYOUT.size() / 8] {
            cell.with_mut(|_| ());
        }
        // SAFETY: The access is within the block.
        unsafe { block.0.write_bytes(1, LAYOUT.size()) };
    }
}

impl<R: RawMutex> Drop for Heap<R> {
    fn drop(&mut self) {
        self.heap.0.get_mut().verify().unwrap();
        // SAFETY: It was a box, which nobody uses any more.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

/// A block that a thread has freed is the next one's alone, whichever thread that is.
pub fn reusing<R: RawMutex + Send + Sync + 'static>() {
    loom::model(|| {
        let heap = Heap::<R>::new();
        let other = thread::spawn({
            let heap = heap.clone();
            move || heap.free(heap.allocate())
        });
        heap.free(heap.allocate());
        other.join().unwrap();
    });
}

/// A block that one thread has allocated is freed by another one, and then somebody's again.
pub fn handing_over<R: RawMutex + Send + Sync + 'static>() {
    loom::model(|| {
        let heap = Heap::<R>::new();
        let (to_other, from_here) = mpsc::channel();
        let other = thread::spawn({
            let heap = heap.clone();
            move || heap.free(from_here.recv().unwrap())
        });
        to_other.send(heap.allocate()).unwrap();
        heap.free(heap.allocate());
        other.join().unwrap();
    });
}
