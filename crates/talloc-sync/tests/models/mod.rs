//! Models of the contract of a lock, for any lock that uses loom's atomics.
//!
//! Loom tries the possible interleavings of the threads, and the values that the memory model allows each load to
//! return. A model fails if two threads access a cell at once, or one after the other without synchronization, or if no
//! thread can continue.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::GlobalAlloc;

use loom::cell::UnsafeCell;
use loom::sync::{Arc, mpsc};
use loom::thread;
use talloc_sync::lock::RawMutex;
use talloc_sync::{Span, Talloc, Tallock};

/// A count protected by a lock.
struct Shared<R> {
    lock: R,
    count: UnsafeCell<usize>,
}

// SAFETY: The cell is used only while the lock is held, which the models check.
unsafe impl<R: Sync> Sync for Shared<R> {}

impl<R: RawMutex> Shared<R> {
    /// Creates the lock and its model before there are other threads.
    fn new() -> Arc<Self> {
        let shared = Self { lock: R::INIT, count: UnsafeCell::new(0) };
        assert!(!shared.lock.is_locked());
        Arc::new(shared)
    }

    /// Increments the count and releases the lock, which the caller holds.
    fn count(&self) {
        assert!(self.lock.is_locked());
        // SAFETY: The caller holds the lock.
        self.count.with_mut(|count| unsafe { *count += 1 });
        // SAFETY: The caller holds the lock.
        unsafe { self.lock.unlock() };
    }
}

/// No two threads hold the lock at once, each sees the changes of the previous one, and none waits forever.
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
        // SAFETY: The other threads have ended.
        assert_eq!(shared.count.with(|count| unsafe { *count }), threads);
    });
}

/// `try_lock` succeeds or fails, and the rest is as for `lock`.
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
        // SAFETY: The other thread has ended.
        assert_eq!(shared.count.with(|count| unsafe { *count }), count);
    });
}

/// The granules of the heap's memory.
const GRANULES: usize = 64;

const LAYOUT: Layout = Layout::new::<[u64; 2]>();

/// A heap behind a lock, and a cell for each granule of its memory, because loom does not track accesses to the memory
/// itself.
struct Heap<R: RawMutex> {
    heap: Tallock<R>,
    memory: NonNull<[u64; GRANULES]>,
    cells: Vec<UnsafeCell<()>>,
}

// SAFETY: The heap owns its memory and is behind a lock. Only the owner of a block uses its cell.
unsafe impl<R: RawMutex + Send> Send for Heap<R> {}

// SAFETY: The heap owns its memory and is behind a lock. Only the owner of a block uses its cell.
unsafe impl<R: RawMutex + Sync> Sync for Heap<R> {}

/// A block owned by a thread.
struct Block(NonNull<u8>);

// SAFETY: A `Block` has exclusive access to its memory.
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
        // SAFETY: The block was allocated with this layout, and is freed once.
        unsafe { self.heap.dealloc(block.0.as_ptr(), LAYOUT) };
    }

    /// Writes to a block and to its cells.
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
        // SAFETY: The memory was leaked from a box, and is not used any more.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

/// After a block is freed, its next owner is its only one, whichever thread that is.
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

/// One thread frees a block that another has allocated. It is then allocated again.
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
