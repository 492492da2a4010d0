//! Random programs against what they know.

use core::ffi::c_void;
use std::vec::Vec;

use fastrand::Rng;

use crate::heap::{Checking, Heap, Prefixed};
use crate::library::Library;

/// A block, and what all of its bytes are.
struct Block {
    ptr: *mut c_void,
    size: usize,
    byte: u8,
}

impl Block {
    fn write(&self) {
        // SAFETY: The block has as many bytes.
        unsafe { self.ptr.cast::<u8>().write_bytes(self.byte, self.size) };
    }

    fn expect_first(&self, size: usize) {
        // SAFETY: The block has as many bytes, which have been written.
        let bytes = unsafe { core::slice::from_raw_parts(self.ptr.cast::<u8>(), size) };
        assert!(bytes.iter().all(|byte| *byte == self.byte), "{size} bytes are not as written");
    }
}

/// Most sizes are small, and some are large.
fn size(rng: &mut Rng, log2: u32) -> usize {
    let most = 1 << rng.u32(1..log2);
    rng.usize(..most)
}

/// Runs a program of so many steps, with blocks of less than a power of two.
pub(super) fn run<H: Heap>(library: &Library<H>, seed: u64, steps: usize, log2: u32) {
    let mut rng = Rng::with_seed(seed);
    let mut blocks: Vec<Block> = Vec::new();
    for step in 0..steps {
        let size = size(&mut rng, log2);
        let byte = rng.u8(..);
        match rng.usize(..8) {
            0..4 => {
                let align = 1 << rng.u32(..9);
                let (ptr, align) = match rng.usize(..8) {
                    0 => (library.aligned_alloc(align, size), align),
                    1 => (library.calloc(size, 1), 1),
                    _ => (library.malloc(size), 1),
                };
                assert_eq!(ptr.addr() % align.max(16), 0);
                blocks.push(Block { ptr, size, byte });
            }
            4 if !blocks.is_empty() => {
                let mut block = blocks.swap_remove(rng.usize(..blocks.len()));
                let (old, new) = (block.size, size + 1);
                // SAFETY: It is a block, and not used where it was any more.
                block.ptr = unsafe { library.realloc(block.ptr, new) };
                block.expect_first(old.min(new));
                blocks.push(Block { size: new, byte, ..block });
            }
            _ if blocks.is_empty() => continue,
            _ => {
                let block = blocks.swap_remove(rng.usize(..blocks.len()));
                block.expect_first(block.size);
                // SAFETY: It is a block, and not used any more.
                unsafe { library.free(block.ptr) };
                continue;
            }
        }
        if let Some(block) = blocks.last() {
            block.write();
        }
        if step % 1000 == 0 {
            library.verify().unwrap();
        }
    }
    for block in blocks {
        block.expect_first(block.size);
        // SAFETY: It is a block, and not used any more.
        unsafe { library.free(block.ptr) };
    }
    super::expect_nothing_used(library);
    library.trim();
    super::expect_nothing_used(library);
}

#[test]
fn programs_find_their_blocks_as_they_left_them() {
    static PREFIXED: Library<Prefixed> = Library::new();
    static CHECKING: Library<Checking> = Library::new();
    static WITHOUT_ZONE: Library<Prefixed> = Library::without_zone();
    for seed in 0..4 {
        run(&PREFIXED, seed, 30_000, 17);
        run(&CHECKING, seed, 30_000, 17);
        run(&WITHOUT_ZONE, seed, 30_000, 17);
    }
}
