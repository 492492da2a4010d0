//! The results of calls that cannot be fulfilled.
#![cfg(unix)]

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;

use errno::{Errno, errno, set_errno};
use talloc_capi::*;

const TOO_MUCH: [usize; 5] =
    [usize::MAX, usize::MAX - 7, usize::MAX / 2 + 1, usize::MAX / 2, usize::MAX / 2 - 32];

/// Expects null and an error.
fn expect_error(error: i32, call: impl FnOnce() -> *mut core::ffi::c_void) {
    set_errno(Errno(0));
    assert!(call().is_null());
    assert_eq!(errno(), Errno(error));
}

fn reallocarray_of_null(count: usize, size: usize) -> *mut core::ffi::c_void {
    // SAFETY: There is no block.
    unsafe { reallocarray(ptr::null_mut(), count, size) }
}

#[test]
fn requests_that_are_too_large_fail() {
    let block = malloc(10);
    for size in TOO_MUCH {
        expect_error(libc::ENOMEM, || malloc(size));
        expect_error(libc::ENOMEM, || calloc(size, 1));
        expect_error(libc::ENOMEM, || calloc(1, size));
        expect_error(libc::ENOMEM, || reallocarray_of_null(1, size));
        expect_error(libc::ENOMEM, || aligned_alloc(1, size));
        expect_error(libc::ENOMEM, || aligned_alloc(64, size));
        expect_error(libc::ENOMEM, || memalign(0, size));
        expect_error(libc::ENOMEM, || memalign(1 << 20, size));
        expect_error(libc::ENOMEM, || valloc(size));
        expect_error(libc::ENOMEM, || pvalloc(size));
        // SAFETY: The block is allocated. It is unchanged, because the call fails.
        expect_error(libc::ENOMEM, || unsafe { realloc(block, size) });
    }
    for align in [1 << (usize::BITS - 1), 1 << (usize::BITS - 2)] {
        expect_error(libc::ENOMEM, || aligned_alloc(align, 1));
        expect_error(libc::ENOMEM, || aligned_alloc(align, align));
    }
    // SAFETY: The block is freed once.
    unsafe { free(block) };
}

#[test]
fn products_do_not_wrap() {
    let half = 1 << (usize::BITS / 2);
    let block = malloc(10);
    // SAFETY: The block is unchanged by failed calls, and is freed once.
    unsafe {
        block.cast::<u8>().write(7);
        expect_error(libc::ENOMEM, || calloc(half, half));
        expect_error(libc::ENOMEM, || calloc(usize::MAX, 2));
        expect_error(libc::ENOMEM, || reallocarray(block, half, half + 1));
        assert_eq!(block.cast::<u8>().read(), 7);
        for (count, size) in [(0, 0), (0, usize::MAX), (usize::MAX, 0)] {
            for block in [calloc(count, size), reallocarray_of_null(count, size)] {
                assert!(!block.is_null());
                free(block);
            }
        }
        let block = reallocarray(block, 10, 10);
        assert!(malloc_usable_size(block) >= 100);
        free(block);
    }
}

#[test]
fn alignments_are_powers_of_two() {
    for align in [0, 3, 24, usize::MAX] {
        expect_error(libc::EINVAL, || aligned_alloc(align, 10));
    }
    expect_error(libc::EINVAL, || memalign(usize::MAX, 10));
}

#[test]
fn alignments_of_memalign_are_rounded_up() {
    for (align, least) in [(0, 16), (1, 16), (3, 16), (24, 32), (48, 64), (5000, 8192)] {
        let block = memalign(align, 10);
        assert!(!block.is_null());
        assert_eq!(block.addr() % least, 0, "{align}");
        // SAFETY: The block is freed once.
        unsafe { free(block) };
    }
}

/// Each block of no bytes has its own address. Resizing a block to no bytes frees it, and is not an error.
#[test]
fn no_bytes_are_no_error() {
    set_errno(Errno(99));
    let mut place = ptr::null_mut();
    // SAFETY: The pointer can be written to.
    assert_eq!(unsafe { posix_memalign(&raw mut place, 256, 0) }, 0);
    let mut blocks: Vec<_> = (0..4).map(|log2| aligned_alloc(16 << (log2 * 2), 0)).collect();
    blocks.extend([place, malloc(0), calloc(0, 0), memalign(64, 0), valloc(0), pvalloc(0)]);
    blocks.extend((0..2).map(|_| aligned_alloc(64, 0)));
    for (at, block) in blocks.iter().enumerate() {
        assert!(!block.is_null() && !blocks[..at].contains(block));
    }
    // SAFETY: Each block is freed once. Resizing it to zero frees it, too.
    unsafe {
        blocks.iter().for_each(|block| assert!(realloc(*block, 0).is_null()));
        assert!(reallocarray(malloc(10), 0, 10).is_null());
        assert!(reallocarray(malloc(10), 10, 0).is_null());
    }
    assert_eq!(errno(), Errno(99));
}

#[test]
fn posix_memalign_returns_its_error() {
    let unchanged = ptr::without_provenance_mut(0x1234);
    let mut place = unchanged;
    set_errno(Errno(99));
    // SAFETY: The pointer can be written to, and the block is freed once.
    unsafe {
        for align in [0, 1, 4, 24, usize::MAX] {
            assert_eq!(posix_memalign(&raw mut place, align, 10), libc::EINVAL);
        }
        assert_eq!(posix_memalign(&raw mut place, 64, usize::MAX), libc::ENOMEM);
        assert_eq!((place, errno()), (unchanged, Errno(99)));
        assert_eq!(posix_memalign(&raw mut place, size_of::<usize>(), 10), 0);
        free(place);
        assert_eq!(posix_memalign(&raw mut place, 4096, 10), 0);
        assert_eq!(place.addr() % 4096, 0);
        free(place);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn freeing_is_no_error() {
    let mut blocks = [10, 1000, 100_000, 40 << 20].map(|size| malloc(size)).to_vec();
    blocks.extend((0..1000).map(|_| aligned_alloc(4096, 40960)));
    set_errno(Errno(99));
    // SAFETY: Each block is freed once.
    blocks.into_iter().for_each(|block| unsafe { free(block) });
    malloc_trim(0);
    assert_eq!(errno(), Errno(99));
}

#[test]
fn the_report_is_written_or_fails() {
    let block = malloc(1000);
    let mut pipe = [0; 2];
    // SAFETY: The array has room for two descriptors, and the test owns both files.
    let [mut reader, writer] = unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        pipe.map(|number| File::from_raw_fd(number))
    };
    assert_eq!(report(writer.as_raw_fd()), 0);
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    let used = text.strip_prefix("used ").unwrap().split_whitespace().next().unwrap();
    assert!(used.parse::<usize>().unwrap() >= 1000, "{text}");
    assert_eq!(report(-1), -1);
    // SAFETY: The block is freed once.
    unsafe { free(block) };
}
