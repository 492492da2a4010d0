//! Random operations on a heap, with checks after each.

use core::alloc::Layout;

use fastrand::Rng;

use crate::Plan;
use crate::block::Block;
use crate::heap::Heap;

/// A walk with up to `N` blocks at a time.
pub struct Walk<const N: usize> {
    random: Rng,
    blocks: [Option<Block>; N],
    largest: usize,
    align_log2: u32,
    counts: Counts,
}

/// The operations done so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub steps: usize,
    /// Requests that failed for lack of memory.
    pub refused: usize,
    /// Blocks that moved when they were resized.
    pub moved: usize,
}

impl<const N: usize> Walk<N> {
    /// Creates a walk without blocks.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64) -> Self {
        Self {
            random: Rng::with_seed(seed),
            blocks: [const { None }; N],
            largest: plan.largest,
            align_log2: plan.align_log2,
            counts: Counts::default(),
        }
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Does one random operation, and checks the heap.
    pub fn step(&mut self, heap: &mut impl Heap) {
        self.counts.steps += 1;
        let at = self.below(N);
        match self.blocks[at].take() {
            None => self.blocks[at] = self.allocate(heap),
            Some(block) => match self.below(4) {
                0 => self.blocks[at] = Some(self.resize(heap, block)),
                1 => {
                    block.check();
                    self.blocks[at] = Some(block);
                }
                _ => free(heap, block),
            },
        }
        self.verify(heap);
    }

    /// Does `steps` random operations.
    pub fn steps(&mut self, heap: &mut impl Heap, steps: usize) {
        for _ in 0..steps {
            self.step(heap);
        }
    }

    /// Frees all blocks, checking the heap after each.
    pub fn finish(&mut self, heap: &mut impl Heap) {
        for at in 0..N {
            if let Some(block) = self.blocks[at].take() {
                free(heap, block);
                self.verify(heap);
            }
        }
    }

    /// Overwrites a byte of a block.
    pub fn damage(&mut self) {
        let block = self.blocks.iter_mut().flatten().next();
        block.expect("there are blocks after a while").damage();
    }

    /// Forgets a block without freeing it.
    pub fn leak(&mut self) {
        let block = self.blocks.iter_mut().find(|block| block.is_some());
        *block.expect("there are blocks after a while") = None;
    }

    fn allocate(&mut self, heap: &mut impl Heap) -> Option<Block> {
        let size = self.size();
        // Small alignments are more frequent.
        let log2 = self.below(1 + self.align_log2 as usize).min(self.below(8));
        let layout = Layout::from_size_align(size, 1 << log2).expect("sizes are small");
        let zeroed = self.below(4) == 0;
        let start = if zeroed { heap.malloc_zeroed(layout) } else { heap.malloc(layout) };
        let Some(start) = start else {
            self.counts.refused += 1;
            return None;
        };
        if zeroed {
            // SAFETY: The block has `size` bytes, all initialised.
            let zero = (0..size).all(|at| unsafe { start.add(at).read() } == 0);
            assert!(zero, "the block at {start:?} is not zero");
        }
        // SAFETY: The block has just been allocated with this layout.
        let block = unsafe { Block::new(start, layout, self.random.u8(..)) };
        let overlaps = self.blocks.iter().flatten().any(|other| block.overlaps(other));
        assert!(!overlaps, "the block at {start:?} overlaps another one");
        Some(block)
    }

    fn resize(&mut self, heap: &mut impl Heap, mut block: Block) -> Block {
        block.check();
        let size = self.size();
        let (start, layout) = (block.start(), block.layout());
        // SAFETY: The block was allocated with this layout. If it moves, only its new address is used.
        match unsafe { heap.resize(start, layout, size) } {
            Some(new) => {
                self.counts.moved += usize::from(new != start);
                // SAFETY: The heap has returned this address and copied the contents.
                unsafe { block.moved(new, size) };
            }
            None => self.counts.refused += 1,
        }
        block
    }

    /// Checks the heap and its count of bytes in use.
    fn verify<H: Heap>(&self, heap: &H) {
        let report = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
        let sizes = self.blocks.iter().flatten().map(|block| block.layout().size());
        let used: usize = sizes.map(|size| size.max(H::MIN_BLOCK).next_multiple_of(8)).sum();
        let others = report.used_bytes.checked_sub(used);
        let agrees = if H::OWN { others == Some(0) } else { others.is_some() };
        assert!(agrees, "{used} bytes should be used: {report:?}");
    }

    /// A random size of at least one byte. Small sizes are frequent.
    fn size(&mut self) -> usize {
        let most = 1 + self.below(self.largest);
        1 + self.below(most)
    }

    /// A random number below `end`, the same on machines of any word size.
    fn below(&mut self, end: usize) -> usize {
        self.random.u32(..end as u32) as usize
    }
}

fn free(heap: &mut impl Heap, block: Block) {
    let (start, layout) = block.release();
    // SAFETY: The block was allocated with this layout, and has just been dropped.
    unsafe { heap.free(start, layout) };
}
