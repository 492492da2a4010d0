//! Blocks that can tell whether they have been overwritten.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

/// A block and what it holds: bytes that hardly any other block has.
pub struct Block {
    start: NonNull<u8>,
    layout: Layout,
    seed: u8,
}

// SAFETY: Whoever has it is the only one to have the block.
unsafe impl Send for Block {}

impl Block {
    /// Fills a block that was allocated with `layout`.
    ///
    /// # Safety
    ///
    /// It can be written and read until [`release`](Self::release), and nobody else does.
    ///
    /// # Panics
    ///
    /// If it is not aligned.
    pub unsafe fn new(start: NonNull<u8>, layout: Layout, seed: u8) -> Self {
        assert!(start.addr().get() % layout.align() == 0, "{start:?} is not as {layout:?} says");
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

    /// Says that the block is at `start` now, and has `size` bytes.
    ///
    /// # Safety
    ///
    /// As for [`new`](Self::new), with that size. Bytes of the old block are in the new one.
    pub unsafe fn moved(&mut self, start: NonNull<u8>, size: usize) {
        let kept = self.layout.size().min(size);
        self.start = start;
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("sizes are small");
        assert!(start.addr().get() % self.layout.align() == 0, "{start:?} has lost its alignment");
        self.check_first(kept);
        self.fill(kept);
    }

    /// Changes a byte.
    pub fn damage(&mut self) {
        // SAFETY: The block has a byte, which is initialised.
        unsafe { *self.start.as_mut() ^= 1 };
    }

    /// The pointer and layout to free the block with, after a last check.
    pub fn release(self) -> (NonNull<u8>, Layout) {
        self.check();
        (self.start, self.layout)
    }

    fn byte(&self, at: usize) -> u8 {
        // Not a power of two, so that a block that has moved by one does not look right.
        self.seed.wrapping_add((at % 251) as u8)
    }

    fn fill(&self, from: usize) {
        for at in from..self.layout.size() {
            // SAFETY: The block has so many bytes.
            unsafe { self.start.add(at).write(self.byte(at)) };
        }
    }

    fn check_first(&self, size: usize) {
        // SAFETY: The block has no fewer bytes, which are initialised.
        let bytes = unsafe { &*ptr::slice_from_raw_parts(self.start.as_ptr(), size) };
        let wrong = bytes.iter().enumerate().find(|(at, byte)| **byte != self.byte(*at));
        if let Some((at, byte)) = wrong {
            panic!("byte {at} of the block at {:?} is {byte:#x}: overwritten", self.start);
        }
    }
}
