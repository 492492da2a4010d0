//! Large blocks of the hardened library, which lie between guard pages.

use core::ffi::c_void;
use std::vec::Vec;

use super::{expect_nothing_used, script};
use crate::heap::Guarding;
use crate::library::Library;

/// The size of the smallest guarded block.
const LARGE: usize = 128 << 10;

/// The slots for each doubling of the size.
const SLOTS: usize = 64;

fn fill(block: *mut c_void, size: usize, byte: u8) {
    // SAFETY: The block has as many bytes.
    unsafe { block.cast::<u8>().write_bytes(byte, size) };
}

fn expect(block: *mut c_void, size: usize, byte: u8) {
    // SAFETY: The block has as many bytes, all of which have been written.
    let bytes = unsafe { core::slice::from_raw_parts(block.cast::<u8>(), size) };
    assert!(bytes.iter().all(|found| *found == byte), "{size}");
}

/// How many blocks are guarded.
fn guarded(library: &Library<Guarding>) -> usize {
    library.statistics().mapped_blocks
}

#[test]
fn contents_stay_as_blocks_become_large_and_small_again() {
    static LIBRARY: Library<Guarding> = Library::new();
    let mut size = 100;
    let mut block = LIBRARY.malloc(size);
    fill(block, size, 1);
    for (at, new) in
        [LARGE, 3 * LARGE, LARGE + 1, 50, 10 * LARGE, LARGE - 1, 2].into_iter().enumerate()
    {
        let byte = at as u8 + 1;
        // SAFETY: It is a block, and not used where it was any more.
        block = unsafe { LIBRARY.realloc(block, new) };
        expect(block, size.min(new), byte);
        assert_eq!(guarded(&LIBRARY), usize::from(new >= LARGE), "{new}");
        // SAFETY: It is a block.
        assert!(unsafe { LIBRARY.malloc_usable_size(block) } >= new);
        fill(block, new, byte + 1);
        size = new;
    }
    // SAFETY: It is a block, and freed once.
    unsafe { LIBRARY.free(block) };
    expect_nothing_used(&LIBRARY);
}

#[test]
fn a_block_that_cannot_grow_is_as_it_was() {
    static LIBRARY: Library<Guarding> = Library::new();
    for size in [100, LARGE, 3 * LARGE + 5] {
        let block = LIBRARY.malloc(size);
        fill(block, size, 7);
        for too_much in [usize::MAX, usize::MAX / 2, usize::MAX / 2 - 100, 1 << 60] {
            // SAFETY: It is a block.
            assert!(unsafe { LIBRARY.realloc(block, too_much) }.is_null());
            expect(block, size, 7);
        }
        // SAFETY: It is a block, and freed once.
        unsafe { LIBRARY.free(block) };
    }
    expect_nothing_used(&LIBRARY);
}

#[test]
fn the_size_of_a_large_block_is_known_to_the_byte() {
    static LIBRARY: Library<Guarding> = Library::new();
    for size in [LARGE, LARGE + 1, 1 << 20, 12_345_678] {
        let block = LIBRARY.malloc(size);
        // SAFETY: It is a block, and freed once.
        unsafe {
            assert_eq!(LIBRARY.malloc_usable_size(block), size);
            LIBRARY.free(block);
        }
    }
}

/// Also with alignments for which smaller blocks come from the zone.
#[test]
fn aligned_blocks_are_guarded_up_to_a_page() {
    static LIBRARY: Library<Guarding> = Library::new();
    for (align, is_guarded) in [(16, true), (64, true), (4096, true), (1 << 16, false)] {
        let block = LIBRARY.aligned_alloc(align, LARGE + 10);
        assert_eq!(block.addr() % align, 0);
        assert_eq!(guarded(&LIBRARY), usize::from(is_guarded), "{align}");
        fill(block, LARGE + 10, 3);
        // SAFETY: It is a block, and freed once.
        unsafe { LIBRARY.free(block) };
    }
    expect_nothing_used(&LIBRARY);
}

#[test]
fn blocks_beyond_the_slots_are_not_guarded() {
    static LIBRARY: Library<Guarding> = Library::new();
    for _ in 0..2 {
        let blocks: Vec<_> = (0..SLOTS + 20).map(|_| LIBRARY.calloc(LARGE, 1)).collect();
        assert_eq!(guarded(&LIBRARY), SLOTS);
        for (at, block) in blocks.iter().enumerate() {
            expect(*block, LARGE, 0);
            fill(*block, LARGE, at as u8);
        }
        for (at, block) in blocks.into_iter().enumerate() {
            expect(block, LARGE, at as u8);
            // SAFETY: It is a block, and freed once.
            unsafe { LIBRARY.free(block) };
        }
        assert_eq!(guarded(&LIBRARY), 0);
    }
    expect_nothing_used(&LIBRARY);
}

#[test]
fn threads_find_their_large_blocks_as_they_left_them() {
    static LIBRARY: Library<Guarding> = Library::new();
    std::thread::scope(|scope| {
        for byte in 0..4 {
            scope.spawn(move || {
                for at in 0..100 {
                    let size = LARGE + at * 5000;
                    let block = LIBRARY.malloc(size);
                    fill(block, size, byte);
                    // SAFETY: It is a block, not used where it was any more, and freed once.
                    unsafe {
                        let block = LIBRARY.realloc(block, 2 * size);
                        expect(block, size, byte);
                        LIBRARY.free(block);
                    }
                }
            });
        }
    });
    expect_nothing_used(&LIBRARY);
}

#[test]
fn programs_find_their_large_blocks_as_they_left_them() {
    static LIBRARY: Library<Guarding> = Library::new();
    for seed in 0..2 {
        script::run(&LIBRARY, seed, 1500, 20);
    }
}
