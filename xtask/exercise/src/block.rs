//! Blocks that detect when they are overwritten.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

/// A block filled with a pattern that depends on a seed, so it differs from most other blocks.
pub struct Block {
    start: NonNull<u8>,
    layout: Layout,
    seed: u8,
}

// SAFETY: A `Block` has exclusive access to its memory.
unsafe impl Send for Block {}

impl Block {
    /// Fills a block that was allocated with `layout`.
    ///
    /// # Safety
    ///
    /// Only this value reads and writes the block, until [`release`](Self::release).
    ///
    /// # Panics
    ///
    /// If `start` is not aligned as `layout` requires.
    pub unsafe fn new(start: NonNull<u8>, layout: Layout, seed: u8) -> Self {
        assert!(
            start.addr().get() % layout.align() == 0,
            "{start:?} is not aligned for {layout:?}"
        );
        let block = Self { start, layout, seed };
        block.fill(0);
        block
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        let (start, other_start) = (self.start.addr().get(), other.start.addr().get());
        start < other_start + other.layout.size() && other_start < start + self.layout.size()
    }

    /// Panics if a byte has changed.
    pub fn check(&self) {
        self.check_first(self.layout.size());
    }

    /// Records that the block is now at `start` and has `size` bytes.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new), with that size. The bytes of the old block must have been copied to the new one.
    pub unsafe fn moved(&mut self, start: NonNull<u8>, size: usize) {
        let kept = self.layout.size().min(size);
        self.start = start;
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("sizes are small");
        assert!(start.addr().get() % self.layout.align() == 0, "{start:?} has lost its alignment");
        self.check_first(kept);
        self.fill(kept);
    }

    /// Flips a bit of the first byte.
    pub fn damage(&mut self) {
        // SAFETY: No block is empty, and `new` has initialised its bytes.
        unsafe { *self.start.as_mut() ^= 1 };
    }

    /// Checks the block once more. Returns the pointer and the layout to free it with.
    pub fn release(self) -> (NonNull<u8>, Layout) {
        self.check();
        (self.start, self.layout)
    }

    fn byte(&self, at: usize) -> u8 {
        // The period is not a power of two, so the bytes differ if a block is moved by a power of two.
        self.seed.wrapping_add((at % 251) as u8)
    }

    fn fill(&self, from: usize) {
        for at in from..self.layout.size() {
            // SAFETY: `at` is less than the size of the block.
            unsafe { self.start.add(at).write(self.byte(at)) };
        }
    }

    fn check_first(&self, size: usize) {
        // SAFETY: `size` is at most the block's size, and `fill` has initialised its bytes.
        let bytes = unsafe { &*ptr::slice_from_raw_parts(self.start.as_ptr(), size) };
        let wrong = bytes.iter().enumerate().find(|(at, byte)| **byte != self.byte(*at));
        if let Some((at, byte)) = wrong {
            panic!("byte {at} of the block at {:?} is {byte:#x}: overwritten", self.start);
        }
    }
}
