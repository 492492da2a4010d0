//! Random operations, for timing.

extern crate alloc;

use alloc::alloc::{alloc, dealloc, realloc};
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr;

/// The largest number of blocks at a time.
const SLOTS: usize = 1000;

/// Does `actions` random operations with blocks of up to `most` bytes, and then frees all blocks. Writes each block's
/// number to its first and last byte. Traps if the first one has changed.
#[unsafe(no_mangle)]
extern "C" fn run(actions: u32, most: u32) {
    let random = Random(Cell::new(0x9e37_79b9_7f4a_7c15));
    let mut blocks = [const { Block::NONE }; SLOTS];
    for _ in 0..actions {
        let number = random.below(SLOTS as u32) as usize;
        let size = random.below(most) as usize + 1;
        let block = &mut blocks[number];
        if block.size == 0 {
            block.allocate(size);
        } else if random.below(4) == 0 {
            block.resize(number as u8, size);
        } else {
            block.free(number as u8);
            continue;
        }
        block.sign(number as u8);
    }
    for (number, block) in blocks.iter_mut().enumerate().filter(|(_, block)| block.size > 0) {
        block.free(number as u8);
    }
}

/// A block. There is none if the size is zero.
struct Block {
    start: *mut u8,
    size: usize,
}

impl Block {
    const NONE: Self = Self { start: ptr::null_mut(), size: 0 };

    fn allocate(&mut self, size: usize) {
        // SAFETY: The size is not zero.
        let start = unsafe { alloc(layout(size)) };
        *self = Self { start, size };
    }

    fn resize(&mut self, number: u8, size: usize) {
        self.check(number);
        // SAFETY: The block was allocated with this layout, and the new size is not zero.
        let start = unsafe { realloc(self.start, layout(self.size), size) };
        *self = Self { start, size };
    }

    fn free(&mut self, number: u8) {
        self.check(number);
        // SAFETY: The block was allocated with this layout, and is not used any more.
        unsafe { dealloc(self.start, layout(self.size)) };
        *self = Self::NONE;
    }

    fn sign(&mut self, number: u8) {
        assert!(!self.start.is_null());
        // SAFETY: Both bytes are in the block.
        unsafe {
            self.start.write(number);
            self.start.add(self.size - 1).write(number);
        }
    }

    /// Without an allocator, blocks overlap, and any number is right.
    fn check(&self, number: u8) {
        // SAFETY: `sign` has initialised the first byte.
        let right = unsafe { self.start.read() } == number;
        assert!(right || cfg!(feature = "none"));
    }
}

fn layout(size: usize) -> Layout {
    // SAFETY: The size is small, and 8 is a power of two.
    unsafe { Layout::from_size_align_unchecked(size, 8) }
}

/// Marsaglia's xorshift.
struct Random(Cell<u64>);

impl Random {
    fn below(&self, bound: u32) -> u32 {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        ((state >> 32) * u64::from(bound) >> 32) as u32
    }
}
