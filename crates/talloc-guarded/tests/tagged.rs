//! Accesses and calls with pointers whose tag differs from that of the memory.
#![cfg(all(target_arch = "aarch64", target_os = "linux"))]

mod common;

use std::alloc::System;
use std::os::unix::process::ExitStatusExt;

use common::tags::*;
use common::{in_child, report, text};
use talloc_guarded::{Fault, Tagged, Tags, has_memory_tags};

/// If this variable is set, the processor must support tags.
const DEMANDED: &str = "TALLOC_TEST_TAGS";

/// Returns the same address with another tag.
fn with_tag(ptr: *mut u8, tag: u8) -> *mut u8 {
    ptr.map_addr(|_| address(ptr) | usize::from(tag) << 56)
}

#[test]
fn the_processor_has_tags_if_they_are_demanded() {
    assert!(std::env::var_os(DEMANDED).is_none() || has_memory_tags());
}

#[test]
fn overflows_into_the_next_block_are_found_at_every_byte() {
    with_arena("overflows_into_the_next_block_are_found_at_every_byte", |allocator| {
        for size in [1, 16, 17, 40, 64, 4080, 4096, 5000] {
            let (block, next) = (alloc(allocator, size), alloc(allocator, 1));
            let end = size.next_multiple_of(GRANULE);
            assert_ne!(tag_of(block), memory_tag(address(block) + end));
            for byte in 0..GRANULE {
                let at = block.wrapping_add(end + byte);
                let (fault, tags) = fault(allocator, at);
                // At the start of a page, the allocator does not know the block below.
                let is_overflow = fault == Fault::Overflow || address(at) % PAGE < GRANULE;
                assert!(is_overflow, "{fault:?}, {size} bytes");
                assert_eq!(tags, Tags { pointer: tag_of(block), memory: memory_tag(address(at)) });
            }
            free(allocator, block, size);
            free(allocator, next, 1);
        }
    });
}

#[test]
fn underflows_into_the_block_before_are_found_at_every_byte() {
    with_arena("underflows_into_the_block_before_are_found_at_every_byte", |allocator| {
        for size in [1, 16, 17, 40, 64, 4080, 5000] {
            let (before, block) = (alloc(allocator, 1), alloc(allocator, size));
            for byte in 1..=GRANULE {
                let at = block.wrapping_sub(byte);
                let (fault, tags) = fault(allocator, at);
                assert_eq!(fault, Fault::Underflow);
                assert_eq!(tags, Tags { pointer: tag_of(block), memory: tag_of(before) });
            }
            free(allocator, before, 1);
            free(allocator, block, size);
        }
    });
}

#[test]
fn uses_after_free_are_found_at_every_byte() {
    with_arena("uses_after_free_are_found_at_every_byte", |allocator| {
        let size = 64;
        let block = alloc(allocator, size);
        free(allocator, block, size);
        for byte in 0..size {
            let (fault, tags) = fault(allocator, block.wrapping_add(byte));
            assert_eq!(fault, Fault::UseAfterFree);
            assert_eq!(tags, Tags { pointer: tag_of(block), memory: 0 });
        }
    });
}

#[test]
fn a_second_free_is_found() {
    with_arena("a_second_free_is_found", |allocator| {
        let block = alloc(allocator, 40);
        free(allocator, block, 40);
        let tag = tag_of(block);
        free(allocator, block, 40);
        let found = report();
        assert_eq!(found.fault, Fault::AlreadyFree);
        let addr = address(block);
        let expected = format!(
            "freeing a block of 40 bytes aligned to 1 at {addr:#x}: already free, the pointer has tag {tag}, and the \
             memory tag 0"
        );
        assert_eq!(found.to_string(), expected);
        assert!(resize(allocator, block, 40, 80).is_null());
        let expected =
            format!("resizing to 80 bytes a block of 40 bytes aligned to 1 at {addr:#x}: ");
        assert!(report().to_string().starts_with(&expected));
    });
}

#[test]
fn calls_without_a_block_are_found_before_anything_changes() {
    with_arena("calls_without_a_block_are_found_before_anything_changes", |allocator| {
        let size = 40;
        let (block, next) = (alloc(allocator, size), alloc(allocator, size));
        let expect = |ptr, size, fault| {
            free(allocator, ptr, size);
            assert_eq!(report().fault, fault);
            assert!(resize(allocator, ptr, size, 100).is_null());
            assert_eq!(report().fault, fault);
            assert!(is_tagged(block, 48) && is_tagged(next, 48));
        };
        for byte in 1..48 {
            expect(block.wrapping_add(byte), size, Fault::NotABlock);
        }
        expect(with_tag(next, tag_of(block)), size, Fault::Foreign);
        expect(with_tag(block, 0), size, Fault::Foreign);
        expect(with_tag(next, 0).wrapping_add(64), size, Fault::Foreign);
        expect(block, 32, Fault::WrongSize);
        expect(block, 49, Fault::WrongSize);
        expect(block, 96, Fault::WrongSize);
        free(allocator, block, size);
        free(allocator, next, size);
        assert!(is_free(address(block), 96));
    });
}

static ALLOCATOR: Tagged<System> = Tagged::new(System);

/// Checks that an error with a freed block of 40 bytes terminates the program with this line.
fn aborts(name: &str, expected: &str, error: impl FnOnce(*mut u8)) {
    if !has_memory_tags() {
        return;
    }
    let output = in_child(name, || {
        let block = alloc(&ALLOCATOR, 40);
        free(&ALLOCATOR, block, 40);
        error(block);
        println!("not found");
    });
    let Some(output) = output else { return };
    let text = text(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    assert!(text.contains(&format!("talloc-guarded: {expected}")), "{text}");
    assert!(text.contains(", and the memory tag 0\n") && !text.contains("not found"), "{text}");
}

#[test]
fn by_default_an_access_aborts() {
    aborts("by_default_an_access_aborts", "accessing 0x", |block| {
        // SAFETY: This is the error to be detected.
        unsafe { block.write_volatile(1) }
    });
}

#[test]
fn by_default_a_second_free_aborts() {
    let expected = "freeing a block of 40 bytes aligned to 1 at 0x";
    aborts("by_default_a_second_free_aborts", expected, |block| free(&ALLOCATOR, block, 40));
}

#[test]
fn by_default_a_reallocation_of_a_freed_block_aborts() {
    let expected = "resizing to 80 bytes a block of 40 bytes aligned to 1 at 0x";
    aborts("by_default_a_reallocation_of_a_freed_block_aborts", expected, |block| {
        resize(&ALLOCATOR, block, 40, 80);
    });
}
