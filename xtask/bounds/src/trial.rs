//! A heap under test. It records all blocks and the cost of each operation.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::clock::Clock;
use crate::heap::Heap;

/// The largest memory of a heap, in bytes.
pub const MAX: usize = 512 << 10;

/// The largest number of blocks. The smallest block has 8 bytes.
const BLOCKS: usize = MAX / 8;

/// The operations that are measured separately.
#[derive(Clone, Copy)]
pub enum Operation {
    Malloc,
    Aligned,
    Refused,
    Free,
    Grow,
    Shrink,
    /// The first request, for all memory.
    First,
}

pub const NAMES: [&str; 7] = ["malloc", "aligned", "refused", "free", "grow", "shrink", "first"];

/// The number of calls, their cost in total, and the largest cost, in instructions.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub count: u32,
    pub sum: u64,
    pub most: u32,
}

pub type Tallies = [Tally; NAMES.len()];

#[derive(Clone, Copy)]
struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

pub struct Trial<'a, H> {
    heap: H,
    blocks: &'a mut [Block],
    len: usize,
    clock: &'a Clock,
    tallies: &'a mut Tallies,
}

impl<'a, H: Heap> Trial<'a, H> {
    /// Creates an empty heap with `size` bytes of memory.
    pub fn new(clock: &'a Clock, tallies: &'a mut Tallies, size: usize) -> Self {
        static mut MEMORY: [u64; MAX / 8] = [0; MAX / 8];
        static mut NOTES: [Block; BLOCKS] =
            [Block { start: NonNull::dangling(), layout: Layout::new::<u8>() }; BLOCKS];
        assert!(size <= MAX, "there are {MAX} bytes");
        let notes = &raw mut NOTES;
        // SAFETY: Each trial borrows the tallies, so no two exist at a time, and no other code uses the statics.
        let mut trial = unsafe {
            let heap = H::new((&raw mut MEMORY).cast(), size);
            Self { heap, blocks: &mut *notes, len: 0, clock, tallies }
        };
        trial.use_all(size);
        trial
    }

    /// Allocates the largest possible block and frees it. This does the work that a heap does once, when memory is used
    /// for the first time.
    fn use_all(&mut self, size: usize) {
        for size in (0..size).rev().step_by(256) {
            let layout = Layout::from_size_align(size, 8).expect("sizes are small");
            let (start, cost) = self.clock.count(|| self.heap.malloc(layout));
            if let Some(start) = start {
                self.note(Operation::First, cost);
                // SAFETY: The block was allocated with this layout, and is not used any more.
                unsafe { self.heap.free(start, layout) };
                return;
            }
        }
    }

    /// The number of blocks.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Allocates a block. Returns whether that succeeded.
    pub fn malloc(&mut self, size: usize, align: usize) -> bool {
        let layout = Layout::from_size_align(size, align).expect("sizes are small");
        let (start, cost) = self.clock.count(|| self.heap.malloc(layout));
        let Some(start) = start else {
            self.note(Operation::Refused, cost);
            return false;
        };
        self.note(if align > 8 { Operation::Aligned } else { Operation::Malloc }, cost);
        self.blocks[self.len] = Block { start, layout };
        self.len += 1;
        true
    }

    /// Frees a block. The last block takes its number.
    pub fn free(&mut self, number: usize) {
        let Block { start, layout } = self.blocks[number];
        self.len -= 1;
        self.blocks[number] = self.blocks[self.len];
        // SAFETY: The block was allocated with this layout, and is no longer in the list.
        let ((), cost) = self.clock.count(|| unsafe { self.heap.free(start, layout) });
        self.note(Operation::Free, cost);
    }

    /// Grows or shrinks a block in place, if possible.
    pub fn resize(&mut self, number: usize, size: usize) {
        let Block { start, layout } = self.blocks[number];
        // SAFETY: The block was allocated with this layout. The branches check that the size is larger or smaller.
        let (is_done, operation, cost) = unsafe {
            if size > layout.size() {
                let (grown, cost) = self.clock.count(|| self.heap.grow(start, layout, size));
                (grown, Operation::Grow, cost)
            } else if size < layout.size() {
                let (shrunk, cost) = self.clock.count(|| self.heap.shrink(start, layout, size));
                (shrunk.map(|()| true), Operation::Shrink, cost)
            } else {
                return;
            }
        };
        let Some(is_done) = is_done else { return };
        self.note(operation, cost);
        if is_done {
            let layout = Layout::from_size_align(size, layout.align()).expect("sizes are small");
            self.blocks[number].layout = layout;
        }
    }

    fn note(&mut self, operation: Operation, cost: u32) {
        let tally = &mut self.tallies[operation as usize];
        tally.count += 1;
        tally.sum += u64::from(cost);
        tally.most = tally.most.max(cost);
    }
}
