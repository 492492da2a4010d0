//! The functions, with each of the heaps.

mod child;
mod empty;
#[cfg(feature = "hardened")]
mod guarding;
mod header;
mod misuse;
mod script;

use std::ptr;
use std::vec::Vec;

use core::ffi::c_void;

use crate::heap::{Checking, Heap, Prefixed};
use crate::library::Library;

/// Sizes and alignments around everything that makes a difference.
const SIZES: [usize; 17] =
    [0, 1, 7, 8, 9, 16, 24, 40, 100, 495, 496, 497, 512, 513, 5000, 1 << 20, 5 << 20];

/// Calls a test with a heap of its own of each kind, and one without a zone.
macro_rules! with_each_heap {
    ($($test:ident)*) => {$(
        #[test]
        fn $test() {
            static PREFIXED: Library<Prefixed> = Library::new();
            static CHECKING: Library<Checking> = Library::new();
            static WITHOUT_ZONE: Library<Prefixed> = Library::without_zone();
            super::$test(&PREFIXED);
            super::$test(&CHECKING);
            super::$test(&WITHOUT_ZONE);
            #[cfg(feature = "hardened")]
            {
                static GUARDING: Library<crate::heap::Guarding> = Library::new();
                super::$test(&GUARDING);
            }
        }
    )*};
}

mod each {
    use super::*;

    with_each_heap! {
        blocks_are_aligned_and_large_enough
        aligned_blocks_are_aligned
        arrays_are_zero
        blocks_keep_their_contents_as_they_change
        threads_free_each_others_blocks
        blocks_without_bytes_are_distinct
    }
}

/// Expects a block of so many bytes, and writes to all that can be used.
fn expect_block<H: Heap>(library: &Library<H>, ptr: *mut c_void, size: usize, align: usize) {
    assert!(!ptr.is_null(), "{size} bytes aligned to {align}");
    assert_eq!(ptr.addr() % align.max(16), 0, "{size} bytes aligned to {align}");
    // SAFETY: It is a block.
    unsafe {
        let usable = library.malloc_usable_size(ptr);
        assert!(usable >= size, "{usable} of {size} bytes");
        ptr.cast::<u8>().write_bytes(0xa5, usable);
    }
}

fn expect_nothing_used<H: Heap>(library: &Library<H>) {
    library.verify().unwrap();
    let statistics = library.statistics();
    // All libraries on `SystemTalloc` have the same heap, which other tests use.
    let used = if H::IS_OWN { statistics.used } else { library.zone().count().used_bytes };
    assert_eq!(used, 0, "{statistics:?}");
}

fn blocks_are_aligned_and_large_enough<H: Heap>(library: &Library<H>) {
    for size in SIZES {
        let blocks: Vec<_> = (0..9).map(|_| library.malloc(size)).collect();
        blocks.iter().for_each(|block| expect_block(library, *block, size, 1));
        // SAFETY: Each is a block, and freed once.
        blocks.iter().for_each(|block| unsafe { library.free(*block) });
        library.verify().unwrap();
    }
    expect_nothing_used(library);
}

fn aligned_blocks_are_aligned<H: Heap>(library: &Library<H>) {
    for align in (0..22).map(|log2| 1 << log2) {
        for size in SIZES {
            let [one, other] = [library.aligned_alloc(align, size), library.memalign(align, size)];
            expect_block(library, one, size, align);
            expect_block(library, other, size, align);
            // SAFETY: Each is a block, and freed once. After it has changed its size, it is aligned as
            // all blocks are.
            unsafe {
                library.free(one);
                let other = library.realloc(other, size + 300);
                expect_block(library, other, size + 300, 1);
                library.free(other);
            }
        }
    }
    // The next power of two.
    let block = library.memalign(48, 10);
    expect_block(library, block, 10, 64);
    let pages = [library.valloc(10), library.pvalloc(10)];
    expect_block(library, pages[0], 10, 4096);
    expect_block(library, pages[1], 4096, 4096);
    // SAFETY: Each is a block, and freed once.
    [block, pages[0], pages[1]].into_iter().for_each(|block| unsafe { library.free(block) });
    expect_nothing_used(library);
}

fn arrays_are_zero<H: Heap>(library: &Library<H>) {
    // The second time, the memory has been used.
    for _ in 0..2 {
        for size in SIZES {
            let block = library.calloc(3, size);
            // SAFETY: It is a block with as many bytes, and freed once.
            unsafe {
                let bytes = core::slice::from_raw_parts(block.cast::<u8>(), 3 * size);
                assert!(bytes.iter().all(|byte| *byte == 0), "3 times {size} bytes");
                expect_block(library, block, 3 * size, 1);
                library.free(block);
            }
        }
    }
    expect_nothing_used(library);
}

fn blocks_keep_their_contents_as_they_change<H: Heap>(library: &Library<H>) {
    let fill = |at: usize| (at / 8 % 251) as u8;
    for old in SIZES {
        for new in SIZES.into_iter().filter(|new| *new > 0) {
            let block = library.malloc(old).cast::<u8>();
            // SAFETY: The blocks have as many bytes, and each is used until it is freed or has moved.
            unsafe {
                (0..old).for_each(|at| block.add(at).write(fill(at)));
                let block = library.realloc(block.cast(), new).cast::<u8>();
                let kept = core::slice::from_raw_parts(block, old.min(new));
                assert!(kept.iter().enumerate().all(|(at, byte)| *byte == fill(at)), "{old} {new}");
                expect_block(library, block.cast(), new, 1);
                library.free(block.cast());
            }
        }
    }
    expect_nothing_used(library);
}

/// A block that goes to another thread.
struct Given(*mut c_void);

// SAFETY: The sender gives the block up.
unsafe impl Send for Given {}

fn threads_free_each_others_blocks<H: Heap>(library: &'static Library<H>) {
    const THREADS: usize = 4;
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| std::sync::mpsc::channel::<Given>()).unzip();
    std::thread::scope(|scope| {
        for (number, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(number + 1) % THREADS].clone();
            scope.spawn(move || {
                for at in 0..2000 {
                    let size = 8 + at * 7 % 700;
                    let block = library.malloc(size);
                    expect_block(library, block, size, 1);
                    assert!(next.send(Given(block)).is_ok());
                }
                drop(next);
                for Given(block) in receiver.iter().take(2000) {
                    // SAFETY: It is a block of another thread's, which has given it up.
                    unsafe { library.free(block) };
                }
            });
        }
    });
    expect_nothing_used(library);
}

fn blocks_without_bytes_are_distinct<H: Heap>(library: &Library<H>) {
    let blocks: Vec<_> = (0..100).map(|_| library.malloc(0)).collect();
    for (at, block) in blocks.iter().enumerate() {
        assert!(!block.is_null() && !blocks[..at].contains(block));
    }
    // SAFETY: Each is a block, and freed once: to change its size to zero does that, too.
    unsafe {
        blocks.into_iter().for_each(|block| assert!(library.realloc(block, 0).is_null()));
        library.free(ptr::null_mut());
        assert_eq!(library.malloc_usable_size(ptr::null_mut()), 0);
        let block = library.realloc(ptr::null_mut(), 10);
        expect_block(library, block, 10, 1);
        library.free(block);
    }
    expect_nothing_used(library);
}
