//! Blocks of no bytes of a checking heap.

use core::ffi::c_void;
use std::collections::BTreeSet;
use std::ptr;
use std::string::String;
use std::vec::Vec;

use super::child::child;
use crate::heap::Checking;
use crate::library::Library;

/// Expects that an access ends a process.
fn expect_no_access(access: impl FnOnce()) {
    let (said, signal) = child(access);
    assert!([libc::SIGSEGV, libc::SIGBUS].contains(&signal), "{said}: {signal}");
}

/// Blocks of no bytes, by all functions that allocate those.
fn allocate(library: &Library<Checking>) -> [*mut c_void; 7] {
    let (mut place, null) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: It can be written to, and there is no block to change.
    let (result, resized, array) = unsafe {
        let result = library.posix_memalign(&raw mut place, 16, 0);
        (result, library.realloc(null, 0), library.reallocarray(null, 0, 10))
    };
    assert_eq!(result, 0);
    let aligned = [library.aligned_alloc(1, 0), library.memalign(16, 0)];
    [library.malloc(0), library.calloc(0, 10), aligned[0], aligned[1], place, resized, array]
}

#[test]
fn they_are_aligned_and_cannot_be_accessed() {
    static LIBRARY: Library<Checking> = Library::new();
    let blocks = allocate(&LIBRARY);
    for (at, block) in blocks.iter().enumerate() {
        assert!(!block.is_null() && block.addr() % 16 == 0 && !blocks[..at].contains(block));
        // SAFETY: It is a block.
        assert_eq!(unsafe { LIBRARY.malloc_usable_size(*block) }, 0);
    }
    let try_all = || {
        for block in blocks.map(<*mut c_void>::cast::<u8>) {
            // SAFETY: It is wrong, and ends the process, which is a child.
            expect_no_access(|| _ = unsafe { block.read_volatile() });
            // SAFETY: The same.
            expect_no_access(|| unsafe { block.write_volatile(1) });
        }
        // SAFETY: The same.
        expect_no_access(|| _ = unsafe { blocks[0].cast::<u8>().sub(1).read_volatile() });
    };
    try_all();
    // SAFETY: Each is a block, and freed once.
    blocks.into_iter().for_each(|block| unsafe { LIBRARY.free(block) });
    try_all();
    assert_eq!(LIBRARY.statistics().used, 0);
}

#[test]
fn wrong_frees_are_said_and_end_the_program() {
    static LIBRARY: Library<Checking> = Library::new();
    let block = LIBRARY.malloc(0);
    let within = block.cast::<u8>().wrapping_add(8).cast::<c_void>();
    let freed = LIBRARY.malloc(0);
    // SAFETY: They are wrong, which the heap finds before it does anything; the block is freed once before that.
    let cases: [(&dyn Fn(), &str, &str); 8] = unsafe {
        LIBRARY.free(freed);
        [
            (&|| [block; 2].into_iter().for_each(|it| LIBRARY.free(it)), "freeing", "already free"),
            (&|| LIBRARY.free(freed), "freeing", "already free"),
            (&|| _ = LIBRARY.realloc(freed, 0), "freeing", "already free"),
            (&|| _ = LIBRARY.realloc(freed, 1), "resizing", "already free"),
            (&|| _ = LIBRARY.malloc_usable_size(freed), "measuring", "already free"),
            (&|| LIBRARY.free(within), "freeing", "not a block's start"),
            (&|| _ = LIBRARY.realloc(within, 1), "resizing", "not a block's start"),
            (&|| _ = LIBRARY.malloc_usable_size(within), "measuring", "not a block's start"),
        ]
    };
    for (wrong, doing, words) in cases {
        let (said, signal) = child(wrong);
        let begin = std::format!("talloc: {doing} 0x");
        assert!(said.starts_with(&begin) && said.contains(words), "{said}");
        assert_eq!(signal, libc::SIGABRT);
    }
}

#[test]
fn their_size_can_be_changed() {
    static LIBRARY: Library<Checking> = Library::new();
    for size in super::SIZES.into_iter().filter(|size| *size > 0) {
        let block = LIBRARY.malloc(0);
        // SAFETY: Each is a block, and not used any more after it has changed.
        unsafe {
            let other = LIBRARY.realloc(block, size);
            super::expect_block(&LIBRARY, other, size, 1);
            assert!(LIBRARY.realloc(other, 0).is_null());
        }
    }
    let block = LIBRARY.malloc(0);
    // SAFETY: It is a block still after a failure, and freed once.
    unsafe {
        assert!(LIBRARY.realloc(block, usize::MAX).is_null());
        assert!(LIBRARY.reallocarray(block, usize::MAX, 2).is_null());
        assert_eq!(LIBRARY.malloc_usable_size(block), 0);
        assert!(LIBRARY.reallocarray(block, 0, 2).is_null());
    }
    super::expect_nothing_used(&LIBRARY);
}

/// The heap serves requests for which there are no addresses left.
#[test]
fn there_are_always_more() {
    static LIBRARY: Library<Checking> = Library::new();
    let blocks: Vec<_> = (0..70_000).map(|_| LIBRARY.malloc(0)).collect();
    let distinct: BTreeSet<_> = blocks.iter().filter(|block| !block.is_null()).collect();
    assert_eq!(distinct.len(), blocks.len());
    // SAFETY: Each is a block, and freed once.
    unsafe {
        let with_bytes = blocks.iter().filter(|block| LIBRARY.malloc_usable_size(**block) > 0);
        assert_eq!(with_bytes.count(), 70_000 - 65_536);
        blocks.into_iter().for_each(|block| LIBRARY.free(block));
    }
    super::expect_nothing_used(&LIBRARY);
}

#[test]
fn children_free_and_allocate_them() {
    static LIBRARY: Library<Checking> = Library::new();
    let blocks = allocate(&LIBRARY);
    let free = || {
        // SAFETY: Each is a block, and freed once: the child frees copies.
        blocks.into_iter().for_each(|block| unsafe { LIBRARY.free(block) });
        let more = allocate(&LIBRARY);
        assert!(more.iter().all(|block| !block.is_null() && !blocks.contains(block)));
        // SAFETY: The same.
        more.into_iter().for_each(|block| unsafe { LIBRARY.free(block) });
    };
    assert_eq!(child(free), (String::new(), 0));
    free();
}
