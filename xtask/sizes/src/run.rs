//! Random actions, to be timed.

extern crate alloc;

use alloc::alloc::{alloc, dealloc, realloc};
use core::alloc::Layout;
use core::cell::Cell;
use core::ptr;

/// Blocks that there may be at a time.
const SLOTS: usize = 1000;

/// Allocates, frees and reallocates blocks of up to `most` bytes at random, `actions` times, and frees
/// all that is left. Each block has its number at either end, and traps if it has not.
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

/// A block, or none if it has no size.
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
        // SAFETY: It is a block of that size; the new one is not zero.
        let start = unsafe { realloc(self.start, layout(self.size), size) };
        *self = Self { start, size };
    }

    fn free(&mut self, number: u8) {
        self.check(number);
        // SAFETY: It is a block of that size, and used no more.
        unsafe { dealloc(self.start, layout(self.size)) };
        *self = Self::NONE;
    }

    fn sign(&mut self, number: u8) {
        assert!(!self.start.is_null());
        // SAFETY: The block has as many bytes.
        unsafe {
            self.start.write(number);
            self.start.add(self.size - 1).write(number);
        }
    }

    /// The blocks of no allocator are all the same.
    fn check(&self, number: u8) {
        // SAFETY: The block has been signed.
        let right = unsafe { self.start.read() } == number;
        assert!(right || cfg!(feature = "none"));
    }
}

fn layout(size: usize) -> Layout {
    // SAFETY: Sizes are small.
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
