//! Accesses and calls by pointers whose tag is not that of the memory.
#![cfg(all(target_arch = "aarch64", target_os = "linux"))]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::arch::asm;
use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;

use common::arena::Arena;
use common::{in_child, note_reports, report, reports, succeeds, text};
use talloc_guarded::{Action, Fault, Tagged, Tags, has_memory_tags};

/// If it is set, a processor without tags is an error.
const DEMANDED: &str = "TALLOC_TEST_TAGS";

const GRANULE: usize = 16;
const PAGE: usize = 4096;

fn tag_of(ptr: *const u8) -> u8 {
    (ptr.addr() >> 56) as u8 & 0xf
}

fn address(ptr: *const u8) -> usize {
    ptr.addr() & ((1 << 56) - 1)
}

/// The same address with another tag.
fn with_tag(ptr: *mut u8, tag: u8) -> *mut u8 {
    ptr.map_addr(|_| address(ptr) | usize::from(tag) << 56)
}

fn memory_tag(addr: usize) -> u8 {
    let mut tag = 0_usize;
    // SAFETY: The address is that of a test's memory, whose tag may be read.
    unsafe {
        asm!(
            ".arch_extension memtag",
            "ldg {tag}, [{addr}]",
            tag = inout(reg) tag,
            addr = in(reg) addr,
        );
    }
    (tag >> 56) as u8
}

/// Whether all of a block has the tag of its pointer.
fn is_tagged(block: *const u8, size: usize) -> bool {
    let mut addrs = (address(block)..address(block) + size).step_by(GRANULE);
    tag_of(block) != 0 && addrs.all(|addr| memory_tag(addr) == tag_of(block))
}

fn is_free(addr: usize, size: usize) -> bool {
    (addr..addr + size).step_by(GRANULE).all(|addr| memory_tag(addr) == 0)
}

/// Runs a test in a child whose reports are noted, with blocks that have nothing between them.
fn with_arena(name: &str, test: impl FnOnce(&Tagged<Arena>)) {
    if has_memory_tags() {
        succeeds(name, || {
            note_reports();
            test(&Tagged::new(Arena::new()));
            assert!(reports().is_empty());
        });
    }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

fn alloc<A: GlobalAlloc>(allocator: &Tagged<A>, size: usize) -> *mut u8 {
    // SAFETY: The size is not zero.
    let block = unsafe { allocator.alloc(layout(size)) };
    assert!(is_tagged(block, size), "{block:?}");
    block
}

/// Frees what is perhaps not a block.
fn free<A: GlobalAlloc>(allocator: &Tagged<A>, ptr: *mut u8, size: usize) {
    // SAFETY: There is none if it is not a block. Then the allocator reports the call, and does nothing.
    unsafe { allocator.dealloc(ptr, layout(size)) }
}

/// Reallocates what is perhaps not a block.
fn resize<A: GlobalAlloc>(allocator: &Tagged<A>, ptr: *mut u8, size: usize, new: usize) -> *mut u8 {
    // SAFETY: The same.
    unsafe { allocator.realloc(ptr, layout(size), new) }
}

/// Reads and writes a byte, and returns what has been reported, which must be twice the same.
#[track_caller]
fn fault<A: GlobalAlloc>(allocator: &Tagged<A>, at: *mut u8) -> (Fault, Tags) {
    let mut found = vec![];
    for is_read in [true, false] {
        // After a report, the thread is not checked before it allocates again. Nothing may come of it.
        free(allocator, alloc(allocator, 1), 1);
        // SAFETY: There is none: it is the error that is to be found. There is memory.
        unsafe {
            let value = at.read_volatile();
            if !is_read {
                reports();
                free(allocator, alloc(allocator, 1), 1);
                at.write_volatile(value);
            }
        }
        let report = report();
        assert_eq!(report.addr, address(at));
        assert_eq!(report.action, Action::Access);
        found.push((report.fault, report.tags.unwrap()));
    }
    assert_eq!(found[0], found[1]);
    found[0]
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
            assert_ne!(tag_of(block), tag_of(next));
            let end = size.next_multiple_of(GRANULE);
            for byte in 0..GRANULE {
                let at = block.wrapping_add(end + byte);
                let (fault, tags) = fault(allocator, at);
                // At the start of a page, it is not known what is before.
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
fn a_stale_pointer_seldom_has_the_tag_of_a_new_block() {
    with_arena("a_stale_pointer_seldom_has_the_tag_of_a_new_block", |allocator| {
        let old = alloc(allocator, 40);
        free(allocator, old, 40);
        let mut counts = [0; 16];
        for _ in 0..3000 {
            // SAFETY: No block is live.
            unsafe { allocator.inner().set_used(16) };
            let block = alloc(allocator, 40);
            counts[usize::from(tag_of(block))] += 1;
            free(allocator, block, 40);
        }
        assert_eq!(counts[0], 0);
        // 200 on average, give or take seven standard deviations.
        assert!(counts[1..].iter().all(|count| (100..300).contains(count)), "{counts:?}");
    });
}

#[test]
fn blocks_on_both_sides_of_a_page_edge_have_different_tags() {
    with_arena("blocks_on_both_sides_of_a_page_edge_have_different_tags", |allocator| {
        for size in [16, 48, 4096, 8192] {
            for _ in 0..300 {
                // SAFETY: No block is live.
                unsafe { allocator.inner().set_used(4 * PAGE - size % PAGE) };
                let (low, high) = (alloc(allocator, size), alloc(allocator, size));
                if size < PAGE {
                    assert_eq!(address(high) % PAGE, 0);
                }
                assert_ne!(tag_of(low), memory_tag(address(low) + size));
                assert_ne!(tag_of(high), memory_tag(address(high) - GRANULE));
                free(allocator, low, size);
                free(allocator, high, size);
            }
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
fn what_is_not_a_block_is_found_before_anything_changes() {
    with_arena("what_is_not_a_block_is_found_before_anything_changes", |allocator| {
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

/// Writes numbers to a block.
fn fill(block: *mut u8, size: usize) {
    // SAFETY: The block is live.
    (0..size).for_each(|byte| unsafe { block.add(byte).write_volatile(byte as u8) });
}

/// Whether a block has the numbers that were written to it.
fn holds(block: *mut u8, size: usize) -> bool {
    // SAFETY: The block is live.
    (0..size).all(|byte| unsafe { block.add(byte).read_volatile() } == byte as u8)
}

#[test]
fn reallocated_blocks_have_new_tags_and_the_old_contents() {
    with_arena("reallocated_blocks_have_new_tags_and_the_old_contents", |allocator| {
        for (old, new) in [(40, 200), (200, 40), (40, 4096), (4096, 16), (4090, 8192)] {
            for is_last in [true, false] {
                let block = alloc(allocator, old);
                let behind = (!is_last).then(|| alloc(allocator, 1));
                fill(block, old);
                let moved = resize(allocator, block, old, new);
                assert_eq!(address(moved) == address(block), is_last);
                assert!(is_tagged(moved, new) && holds(moved, old.min(new)));
                assert_ne!(tag_of(moved), tag_of(block));
                assert_eq!(fault(allocator, block).1.pointer, tag_of(block));
                if is_last {
                    let end = address(moved) + new.next_multiple_of(GRANULE);
                    assert!(is_free(end, old.saturating_sub(new)));
                } else {
                    assert!(is_free(address(block), old));
                }
                free(allocator, moved, new);
                behind.into_iter().for_each(|block| free(allocator, block, 1));
            }
        }
    });
}

#[test]
fn a_block_that_takes_the_same_granules_stays_as_it_is() {
    with_arena("a_block_that_takes_the_same_granules_stays_as_it_is", |allocator| {
        let block = alloc(allocator, 33);
        assert_eq!(resize(allocator, block, 33, 48), block);
        assert_eq!(resize(allocator, block, 48, 34), block);
        free(allocator, block, 34);
    });
}

#[test]
fn a_block_that_cannot_be_reallocated_stays_as_it_is() {
    with_arena("a_block_that_cannot_be_reallocated_stays_as_it_is", |allocator| {
        let block = alloc(allocator, 40);
        fill(block, 40);
        allocator.inner().is_full.store(true, Relaxed);
        assert!(resize(allocator, block, 40, 100).is_null());
        assert!(resize(allocator, block, 40, isize::MAX as usize).is_null());
        // SAFETY: The size is not zero.
        assert!(unsafe { allocator.alloc(layout(40)) }.is_null());
        assert!(is_tagged(block, 40) && holds(block, 40));
        free(allocator, block, 40);
    });
}

#[test]
fn blocks_of_all_alignments_have_tags_and_none_is_left() {
    with_arena("blocks_of_all_alignments_have_tags_and_none_is_left", |allocator| {
        let arena = allocator.inner();
        let layouts = (0..=16).map(|bits| Layout::from_size_align(24 + bits, 1 << bits).unwrap());
        // SAFETY: The sizes are not zero, and blocks are freed once.
        unsafe {
            let blocks: Vec<_> =
                layouts.map(|layout| (allocator.alloc_zeroed(layout), layout)).collect();
            for (block, layout) in &blocks {
                assert!(is_tagged(*block, layout.size()));
                assert_eq!(address(*block) % layout.align(), 0);
                assert!((0..layout.size()).all(|byte| block.add(byte).read_volatile() == 0));
            }
            blocks.iter().for_each(|(block, layout)| allocator.dealloc(*block, *layout));
        }
        assert!(is_free(arena.start(), arena.used()));
    });
}

#[test]
fn threads_that_tag_adjacent_blocks_choose_different_tags() {
    with_arena("threads_that_tag_adjacent_blocks_choose_different_tags", |allocator| {
        let arena = allocator.inner();
        // Emulators lose tags if several threads are the first to tag a page.
        free(allocator, alloc(allocator, 200_000), 200_000);
        // SAFETY: No block is live.
        unsafe { arena.set_used(0) };
        let blocks: Vec<usize> = std::thread::scope(|scope| {
            let allocate = || (0..1000).map(|_| alloc(allocator, 16).expose_provenance()).collect();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(allocate)).collect();
            threads
                .into_iter()
                .flat_map(|thread| -> Vec<usize> { thread.join().unwrap() })
                .collect()
        });
        let tags: Vec<u8> =
            (0..arena.used()).step_by(16).map(|at| memory_tag(arena.start() + at)).collect();
        assert_eq!(tags.len(), blocks.len());
        assert!(tags.windows(2).all(|pair| pair[0] != pair[1]));
        blocks
            .into_iter()
            .for_each(|block| free(allocator, ptr::with_exposed_provenance_mut(block), 16));
        assert!(is_free(arena.start(), arena.used()));
    });
}

static ALLOCATOR: Tagged<System> = Tagged::new(System);

/// Checks that an error with a freed block of 40 bytes ends the program with this line.
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
        // SAFETY: There is none: it is the error that is to be found.
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
