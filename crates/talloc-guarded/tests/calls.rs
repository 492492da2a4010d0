//! Calls that pass addresses that are not blocks, and overwritten bytes next to blocks.
#![cfg(unix)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::{
    at_end, at_start, guarding_all, in_child, note_reports, report, reports, succeeds, text,
};
use talloc_guarded::{Action, Fault, Guarded, Reaction, Report};

static ALLOCATOR: Guarded<System> = guarding_all();

const LAYOUT: Layout = Layout::new::<[u64; 5]>();

/// Frees an address that may not be a block. This is the error to be detected.
fn free(ptr: *mut u8, layout: Layout) {
    // SAFETY: If this is misuse, the allocator reports the call and does nothing.
    unsafe { ALLOCATOR.dealloc(ptr, layout) }
}

/// Reallocates an address that may not be a block.
fn resize(ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
    // SAFETY: If this is misuse, the allocator reports the call and does nothing.
    unsafe { ALLOCATOR.realloc(ptr, layout, new_size) }
}

#[test]
fn a_second_free_is_found() {
    succeeds("a_second_free_is_found", || {
        note_reports();
        let block = at_end(&ALLOCATOR, LAYOUT);
        free(block, LAYOUT);
        assert!(reports().is_empty());
        free(block, LAYOUT);
        let report = report();
        assert_eq!(
            (report.fault, report.action),
            (Fault::AlreadyFree, Action::Free { layout: LAYOUT })
        );
        assert!(report.allocated.is_some() && report.freed.is_some());
        let expected = format!(
            "freeing a block of 40 bytes aligned to 8 at {block:?}: already free, it was in the freed \
             block of 40 bytes aligned to 8 at {block:?}"
        );
        assert_eq!(report.to_string(), expected);

        assert!(resize(block, LAYOUT, 80).is_null());
        let report = common::report();
        assert_eq!(report.action, Action::Resize { layout: LAYOUT, new_size: 80 });
        assert!(
            report.to_string().starts_with("resizing to 80 bytes a block of 40 bytes"),
            "{report}"
        );
    });
}

#[test]
fn an_address_inside_a_block_is_found() {
    succeeds("an_address_inside_a_block_is_found", || {
        note_reports();
        let block = at_start(&ALLOCATOR, LAYOUT);
        for byte in 1..LAYOUT.size() {
            free(block.wrapping_add(byte), LAYOUT);
            let report = report();
            assert_eq!(report.fault, Fault::NotABlock, "{report}");
            let text = report.to_string();
            let expected = format!("not a block's start, byte {byte} of the block of 40 bytes");
            assert!(text.contains(&expected), "{text}");
        }
        free(block, LAYOUT);
        assert!(reports().is_empty());
    });
}

#[test]
fn an_address_beside_a_block_is_found() {
    succeeds("an_address_beside_a_block_is_found", || {
        note_reports();
        let block = at_start(&ALLOCATOR, LAYOUT);
        for (offset, expected) in [
            (40, "not a block, byte 1 beyond the end of the block of 40 bytes"),
            (-1, "not a block, byte 1 before the start of the block of 40 bytes"),
            (200 * (20 << 10), "not a block, there has never been one"),
        ] {
            free(block.wrapping_offset(offset), LAYOUT);
            let report = report();
            assert_eq!(report.fault, Fault::Foreign, "{report}");
            assert!(report.to_string().contains(expected), "{report}");
        }
        free(block, LAYOUT);
        assert!(reports().is_empty());
    });
}

#[test]
fn a_wrong_layout_is_found() {
    succeeds("a_wrong_layout_is_found", || {
        note_reports();
        let block = at_end(&ALLOCATOR, LAYOUT);
        for size in [1, 39, 41, 4096] {
            free(block, Layout::from_size_align(size, 8).unwrap());
            let report = report();
            assert_eq!(report.fault, Fault::WrongSize);
            assert!(report.to_string().ends_with("wrong size, the block has 40 bytes"), "{report}");
        }
        for align in [1, 4, 16] {
            free(block, Layout::from_size_align(40, align).unwrap());
            let report = report();
            assert_eq!(report.fault, Fault::WrongAlign);
            let text = report.to_string();
            assert!(text.ends_with("wrong alignment, the block is aligned to 8"), "{text}");
        }
        // The block is unchanged.
        // SAFETY: The block is live, and has 40 bytes.
        unsafe { block.write_bytes(1, 40) };
        free(block, LAYOUT);
        assert!(reports().is_empty());
    });
}

/// The `free` of C is not passed a size.
#[test]
fn a_report_omits_an_unknown_layout() {
    succeeds("a_report_omits_an_unknown_layout", || {
        note_reports();
        let unknown = Layout::new::<()>();
        let block = at_start(&ALLOCATOR, LAYOUT);
        free(block.wrapping_add(16), unknown);
        let expected = format!(
            "freeing a block at {:?}: not a block's start, byte 16 of the block of 40 bytes aligned to 8 at \
             {block:?}",
            block.wrapping_add(16)
        );
        assert_eq!(report().to_string(), expected);
        free(block, LAYOUT);
        free(block, unknown);
        assert!(report().to_string().contains(": already free, "));
        assert!(resize(block, unknown, 80).is_null());
        let expected = format!("resizing to 80 bytes a block at {block:?}: already free, ");
        let text = report().to_string();
        assert!(text.starts_with(&expected), "{text}");
    });
}

#[test]
fn overwritten_bytes_are_found_when_a_large_block_grows_in_place() {
    let name = "overwritten_bytes_are_found_when_a_large_block_grows_in_place";
    succeeds(name, || {
        static ALLOCATOR: Guarded<System> =
            Guarded::new(System).with_rate(None).with_large(100_000);
        note_reports();
        let layout = Layout::new::<[u8; 100_001]>();
        let block = at_start(&ALLOCATOR, layout);
        // SAFETY: Only the live block is used, except for the error to be detected. The byte is on the block's page.
        unsafe {
            block.wrapping_add(100_001).write_volatile(0);
            let grown = ALLOCATOR.realloc(block, layout, 120_000);
            assert_eq!(grown, block);
            assert_eq!(report().fault, Fault::Damaged { at: block.addr() + 100_001 });
            // All bytes of the grown block are accessible, and the page after it is not.
            block.write_bytes(1, 120_000);
            block.wrapping_add(131_072).write_volatile(0);
            assert_eq!(report().fault, Fault::Overflow);
            let shrunk = ALLOCATOR.realloc(block, Layout::new::<[u8; 120_000]>(), 100_000);
            assert_eq!(shrunk, block);
            block.wrapping_add(118_000).write_volatile(0);
            assert_eq!(report().fault, Fault::Overflow);
            ALLOCATOR.dealloc(block, Layout::new::<[u8; 100_000]>());
        }
        assert!(reports().is_empty());
    });
}

#[test]
fn overwritten_bytes_are_found_when_the_block_is_freed() {
    succeeds("overwritten_bytes_are_found_when_the_block_is_freed", || {
        note_reports();
        // The alignment leaves bytes between the block and the end of its page.
        let padded = Layout::from_size_align(33, 32).unwrap();
        for byte in 1..=31 {
            let block = placed_with_bytes_behind(padded);
            // SAFETY: This is the error to be detected. The byte is on the block's page.
            unsafe { block.wrapping_add(32 + byte).write_volatile(0) };
            free(block, padded);
            let report = report();
            assert_eq!(report.fault, Fault::Damaged { at: block.addr() + 32 + byte });
            let text = report.to_string();
            let expected = format!("damaged, byte {byte} beyond the end of the block of 33 bytes");
            assert!(text.contains(&expected) && text.ends_with("was overwritten"), "{text}");
        }
        for byte in 1..=64 {
            let block = at_end(&ALLOCATOR, LAYOUT);
            // SAFETY: This is the error to be detected. The byte is on the block's page.
            unsafe { block.wrapping_sub(byte).write_volatile(0) };
            free(block, LAYOUT);
            let report = report();
            assert_eq!(report.fault, Fault::Damaged { at: block.addr() - byte });
            let expected =
                format!("damaged, byte {byte} before the start of the block of 40 bytes");
            assert!(report.to_string().contains(&expected), "{report}");
            // The block was freed nevertheless.
            free(block, LAYOUT);
            assert_eq!(common::report().fault, Fault::AlreadyFree);
        }
    });
}

/// Allocates a block near the end of its pages that does not reach the end.
fn placed_with_bytes_behind(layout: Layout) -> *mut u8 {
    loop {
        // SAFETY: The size is not zero.
        let block = unsafe { ALLOCATOR.alloc(layout) };
        if (block.addr() + layout.size()).next_multiple_of(layout.align()) % common::page() == 0 {
            return block;
        }
        free(block, layout);
    }
}

#[test]
fn one_of_two_threads_that_free_a_block_is_reported() {
    succeeds("one_of_two_threads_that_free_a_block_is_reported", || {
        note_reports();
        for _ in 0..200 {
            // SAFETY: The size is not zero.
            let block = unsafe { ALLOCATOR.alloc(LAYOUT) }.expose_provenance();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(move || free(ptr::with_exposed_provenance_mut(block), LAYOUT));
                }
            });
            assert_eq!(report().fault, Fault::AlreadyFree);
        }
    });
}

#[test]
fn by_default_a_second_free_aborts() {
    let output = in_child("by_default_a_second_free_aborts", || {
        let block = at_end(&ALLOCATOR, LAYOUT);
        free(block, LAYOUT);
        free(block, LAYOUT);
        println!("not found");
    });
    let Some(output) = output else { return };
    let text = text(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    assert!(
        text.contains("talloc-guarded: freeing a block of 40 bytes aligned to 8 at 0x"),
        "{text}"
    );
    assert!(text.contains(": already free, ") && !text.contains("not found"), "{text}");
}

/// Misuse in the report handler has no separate report.
#[test]
fn a_second_free_in_the_handler_aborts() {
    let output = in_child("a_second_free_in_the_handler_aborts", || {
        fn free_again(report: &Report) -> Reaction {
            free(ptr::without_provenance_mut(report.addr), LAYOUT);
            println!("not found");
            Reaction::Continue
        }

        talloc_guarded::set_handler(free_again);
        let block = at_end(&ALLOCATOR, LAYOUT);
        free(block, LAYOUT);
        free(block, LAYOUT);
        println!("not found");
    });
    let Some(output) = output else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    assert!(!text(&output).contains("not found"), "{}", text(&output));
}

#[test]
fn a_handler_that_panics_aborts() {
    let output = in_child("a_handler_that_panics_aborts", || {
        talloc_guarded::set_handler(|_| panic!("on purpose"));
        let block = at_end(&ALLOCATOR, LAYOUT);
        free(block, LAYOUT);
        free(block, LAYOUT);
        println!("not found");
    });
    let Some(output) = output else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    assert!(!text(&output).contains("not found"), "{}", text(&output));
}

/// The allocator does not guard blocks that its own report handler allocates.
#[test]
fn the_handler_of_reports_has_no_guarded_blocks() {
    const LARGE: Layout = Layout::new::<[u8; 100_001]>();
    static ALLOCATOR: Guarded<System> = Guarded::new(System).with_rate(None).with_large(100_000);
    static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

    fn allocate(_: &Report) -> Reaction {
        // SAFETY: The size is not zero, and the block is freed once.
        unsafe {
            let block = ALLOCATOR.alloc(LARGE);
            assert!(!ALLOCATOR.is_guarded(block));
            ALLOCATOR.dealloc(block, LARGE);
        }
        ALLOCATED.fetch_add(1, Relaxed);
        Reaction::Continue
    }

    succeeds("the_handler_of_reports_has_no_guarded_blocks", || {
        talloc_guarded::set_handler(allocate);
        let block = at_start(&ALLOCATOR, LARGE);
        // SAFETY: The second call is the error to be detected.
        unsafe {
            ALLOCATOR.dealloc(block, LARGE);
            ALLOCATOR.dealloc(block, LARGE);
        }
        assert_eq!(ALLOCATED.load(Relaxed), 1);
        // Afterwards, blocks are guarded again.
        let block = at_start(&ALLOCATOR, LARGE);
        // SAFETY: The block is freed once.
        unsafe { ALLOCATOR.dealloc(block, LARGE) };
    });
}

/// The system allocator, with a count of calls.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: The system allocator serves all requests.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        // SAFETY: The caller upholds the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Relaxed);
        // SAFETY: The caller upholds the contract of this function.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// The allocator of this program counts the crate's own allocations.
#[global_allocator]
static PROGRAM: Guarded<Counting> = Guarded::new(Counting).with_rate(None);

#[test]
fn nothing_is_allocated_from_the_first_block_to_the_report() {
    succeeds("nothing_is_allocated_from_the_first_block_to_the_report", || {
        fn print_and_continue(report: &Report) -> Reaction {
            report.print();
            Reaction::Continue
        }

        talloc_guarded::set_handler(print_and_continue);
        // The test harness allocates in other threads, so the test waits for them.
        let before = CALLS.load(Relaxed);
        PROGRAM.set_rate(common::ALL);
        // SAFETY: Except for the errors, which are reported, only live blocks are used.
        unsafe {
            let block = PROGRAM.alloc(LAYOUT);
            assert!(PROGRAM.is_guarded(block));
            PROGRAM.dealloc(block, LAYOUT);
            PROGRAM.dealloc(block, LAYOUT);
            assert_eq!(block.read_volatile(), 0);
        }
        PROGRAM.set_rate(None);
        assert_eq!(CALLS.load(Relaxed), before);
    });
}
