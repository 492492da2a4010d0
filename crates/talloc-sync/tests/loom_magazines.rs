//! Models of the magazines: `cargo xtask loom`.
//!
//! Loom tries the orders in which the threads may run, and the values that the memory model lets
//! each load see. It fails where two threads have a slot, a shelf of the depot, or a block's memory
//! at once, or one after the other without the second being sure to see what the first did.
#![cfg(loom)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::NonNull;

use loom::cell::UnsafeCell;
use loom::sync::{Arc, mpsc};
use loom::thread;
use talloc_sync::lock::Backoff;
use talloc_sync::{Caller, OomHandler, RealTime, SharedHeap, Span, Talloc, TallocMagazines};

/// Granules of the heap's memory: at 512 bytes a block, a magazine may have at most two.
const GRANULES: usize = 1 << 14;

const LAYOUT: Layout = Layout::new::<[u64; 64]>();

/// Blocks of a full magazine of that size.
const MAGAZINE: usize = 2;

loom::thread_local! {
    static SLOT: Cell<usize> = Cell::new(0);
}

/// The slot that the thread says.
struct Said;

impl Caller for Said {
    fn number() -> usize {
        SLOT.with(Cell::get)
    }
}

/// The slots of the two threads of a model.
const SLOTS: [usize; 2] = [0, 1];

type Magazines = TallocMagazines<Backoff, RealTime, OomHandler<RealTime>, Said, 4>;

/// A heap, and a cell for each granule of its memory: loom does not see what is done to the memory
/// itself.
struct Heap {
    heap: Box<Magazines>,
    memory: NonNull<[u64; GRANULES]>,
    cells: Vec<UnsafeCell<()>>,
}

// SAFETY: The memory is the heap's, and a cell is used by who has the block.
unsafe impl Send for Heap {}

// SAFETY: The memory is the heap's, and a cell is used by who has the block.
unsafe impl Sync for Heap {}

/// A block that a thread has.
struct Block(NonNull<u8>);

// SAFETY: Whoever has it is the only one.
unsafe impl Send for Block {}

impl Heap {
    /// A heap whose slots may have full magazines.
    fn new() -> Arc<Self> {
        let memory = NonNull::from(Box::leak(vec![0; GRANULES].into_boxed_slice()));
        let memory = memory.cast();
        let heap = Self {
            // Loom's own threads have little room on their stacks.
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

    /// Lets the slots have full magazines of the size. The first one is the caller's then.
    fn warm(&self) {
        // Loom's models of all slots are made now, before there are other threads.
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
        // SAFETY: The block is the heap's and has this layout.
        unsafe { self.heap.dealloc(block.0.as_ptr(), LAYOUT) };
    }

    /// Writes to a block.
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
        // SAFETY: It was a box, which nobody uses any more.
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

/// Runs `f` in another thread, with that slot.
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

/// Two threads with the same slot: one of them goes to another one.
#[test]
fn sharing_a_slot() {
    model(|heap| {
        let other = spawn(&heap, SLOTS[0], |heap| heap.free(heap.allocate()));
        heap.free(heap.allocate());
        other.join().unwrap();
    });
}

/// What one thread has allocated is freed by another one, and then somebody's again.
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

/// Full magazines go to the depot from one slot and come from there to another one.
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

/// One thread gives everything back while another one goes on.
#[test]
fn flushing() {
    model(|heap| {
        let other = spawn(&heap, SLOTS[1], |heap| heap.heap.flush());
        heap.free(heap.allocate());
        other.join().unwrap();
    });
}

/// A thread goes on with the slot of one that has ended.
#[test]
fn inheriting_a_slot() {
    model(|heap| {
        let first = spawn(&heap, SLOTS[1], |heap| heap.free(heap.allocate()));
        first.join().unwrap();
        spawn(&heap, SLOTS[1], |heap| heap.free(heap.allocate())).join().unwrap();
        heap.free(heap.allocate());
    });
}
