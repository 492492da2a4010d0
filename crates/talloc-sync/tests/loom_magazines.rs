//! Models of the magazines: `cargo xtask loom`.
//!
//! Loom tries the possible interleavings of the threads, and the values that the memory model allows each load to
//! return. A model fails if two threads access a slot, a shelf of the depot or a block's memory at once, or one after
//! the other without synchronization.
#![cfg(loom)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::NonNull;

use loom::cell::UnsafeCell;
use loom::sync::{Arc, mpsc};
use loom::thread;
use talloc_sync::lock::Backoff;
use talloc_sync::{Caller, OomHandler, RealTime, SharedHeap, Span, Talloc, TallocMagazines};

/// The granules of the heap's memory. With blocks of 512 bytes, a magazine has at most two.
const GRANULES: usize = 1 << 14;

const LAYOUT: Layout = Layout::new::<[u64; 64]>();

/// The number of blocks of a full magazine of this size.
const MAGAZINE: usize = 2;

loom::thread_local! {
    static SLOT: Cell<usize> = Cell::new(0);
}

/// A caller with the slot that the thread sets.
struct Said;

impl Caller for Said {
    fn number() -> usize {
        SLOT.with(Cell::get)
    }
}

/// The slots of a model's two threads.
const SLOTS: [usize; 2] = [0, 1];

type Magazines = TallocMagazines<Backoff, RealTime, OomHandler<RealTime>, Said, 4>;

/// A heap, and a cell for each granule of its memory, because loom does not track accesses to the memory itself.
struct Heap {
    heap: Box<Magazines>,
    memory: NonNull<[u64; GRANULES]>,
    cells: Vec<UnsafeCell<()>>,
}

// SAFETY: The heap owns its memory, and only the owner of a block uses its cell.
unsafe impl Send for Heap {}

// SAFETY: The heap owns its memory, and only the owner of a block uses its cell.
unsafe impl Sync for Heap {}

/// A block owned by a thread.
struct Block(NonNull<u8>);

// SAFETY: A `Block` has exclusive access to its memory.
unsafe impl Send for Block {}

impl Heap {
    /// Creates a heap whose slots may have full magazines.
    fn new() -> Arc<Self> {
        let memory = NonNull::from(Box::leak(vec![0; GRANULES].into_boxed_slice()));
        let memory = memory.cast();
        let heap = Self {
            // Loom's threads have small stacks.
            heap: std::thread::spawn(|| Box::new(Magazines::new(Talloc::with_config())))
                .join()
                .unwrap(),
            memory,
            cells: (0..GRANULES / 64).map(|_| UnsafeCell::new(())).collect(),
        };
        let span = Span::from_ptr_size(memory.as_ptr().cast(), 8 * GRANULES);
        // SAFETY: The memory outlives the heap, and nothing else uses it.
        unsafe { heap.heap.lock().init(span) };
        Arc::new(heap)
    }

    /// Lets the slots have full magazines of this size. Afterwards, the caller uses the first slot.
    fn warm(&self) {
        // Creates loom's models of all slots before there are other threads.
        self.heap.flush();
        for slot in [SLOTS[1], SLOTS[0]] {
            SLOT.with(|place| place.set(slot));
            for count in [1, 2, 4, 8, 12] {
                let blocks: Vec<_> = (0..count).map(|_| self.allocate()).collect();
                blocks.into_iter().for_each(|block| self.free(block));
            }
        }
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
        let at = (block.0.addr().get() - self.memory.addr().get()) / LAYOUT.size();
        self.cells[at].with_mut(|_| ());
        // SAFETY: The access is within the block.
        unsafe { block.0.write_bytes(1, LAYOUT.size()) };
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        let report = self.heap.verify().unwrap();
        assert_eq!(report.used_bytes, 0);
        self.heap.flush();
        assert_eq!(self.heap.lock().verify().unwrap().used_bytes, 0);
        // SAFETY: The memory was leaked from a box, and is not used any more.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

fn model(threads: impl Fn(Arc<Heap>) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 100_000;
    builder.check(move || {
        let heap = Heap::new();
        heap.warm();
        threads(heap);
    });
}

/// Runs `f` in another thread, with slot `slot`.
fn spawn<T: 'static>(
    heap: &Arc<Heap>,
    slot: usize,
    f: impl FnOnce(&Heap) -> T + 'static,
) -> thread::JoinHandle<T> {
    let heap = heap.clone();
    thread::spawn(move || {
        SLOT.with(|place| place.set(slot));
        f(&heap)
    })
}

/// Two threads have the same slot, and one of them moves to another.
#[test]
fn sharing_a_slot() {
    model(|heap| {
        let other = spawn(&heap, SLOTS[0], |heap| heap.free(heap.allocate()));
        heap.free(heap.allocate());
        other.join().unwrap();
    });
}

/// One thread frees a block that another has allocated. It is then allocated again.
#[test]
fn handing_over() {
    model(|heap| {
        let (to_other, from_here) = mpsc::channel();
        let other = spawn(&heap, SLOTS[1], move |heap| heap.free(from_here.recv().unwrap()));
        to_other.send(heap.allocate()).unwrap();
        heap.free(heap.allocate());
        other.join().unwrap();
    });
}

/// Full magazines move from one slot through the depot to another.
#[test]
fn by_the_depot() {
    model(|heap| {
        let blocks: Vec<_> = (0..4 * MAGAZINE).map(|_| heap.allocate()).collect();
        let other = spawn(&heap, SLOTS[1], |heap| {
            let blocks: Vec<_> = (0..3 * MAGAZINE).map(|_| heap.allocate()).collect();
            blocks.into_iter().for_each(|block| heap.free(block));
        });
        blocks.into_iter().for_each(|block| heap.free(block));
        other.join().unwrap();
    });
}

/// One thread flushes the heap while another uses it.
#[test]
fn flushing() {
    model(|heap| {
        let other = spawn(&heap, SLOTS[1], |heap| heap.heap.flush());
        heap.free(heap.allocate());
        other.join().unwrap();
    });
}

/// A thread continues with the slot of a thread that has ended.
#[test]
fn inheriting_a_slot() {
    model(|heap| {
        let first = spawn(&heap, SLOTS[1], |heap| heap.free(heap.allocate()));
        first.join().unwrap();
        spawn(&heap, SLOTS[1], |heap| heap.free(heap.allocate())).join().unwrap();
        heap.free(heap.allocate());
    });
}
