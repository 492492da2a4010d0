//! Accesses outside of blocks, and to freed blocks.
#![cfg(unix)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::ExitStatusExt;

use common::{
    at_end, at_start, guarding_all, in_child, note_reports, report, reports, succeeds, text,
};
use talloc_guarded::{Action, Fault, Guarded};

static ALLOCATOR: Guarded<System> = guarding_all();

/// Returns whether a reported action matches the actual one.
fn is(told: Action, done: Action) -> bool {
    told == done || told == Action::Access
}

/// Reads or writes a byte at an offset from `block`, which may be outside of it.
fn access(block: *mut u8, offset: isize, action: Action) {
    let at = block.wrapping_offset(offset);
    // SAFETY: This is the error to be detected. Nothing else in the process uses the address.
    unsafe {
        match action {
            Action::Read => drop(at.read_volatile()),
            _ => at.write_volatile(1),
        }
    }
}

const LAYOUTS: [Layout; 6] = [
    Layout::new::<u8>(),
    Layout::new::<[u8; 37]>(),
    Layout::new::<[u64; 3]>(),
    Layout::new::<[u8; 4096]>(),
    Layout::new::<[u8; 4097]>(),
    Layout::new::<[u8; 16 << 10]>(),
];

#[test]
fn overflows_are_found_at_every_byte() {
    succeeds("overflows_are_found_at_every_byte", || {
        note_reports();
        for layout in LAYOUTS {
            for byte in 1..=64 {
                for action in [Action::Read, Action::Write] {
                    let block = at_end(&ALLOCATOR, layout);
                    access(block, (layout.size() + byte - 1) as isize, action);
                    let report = report();
                    assert_eq!(report.fault, Fault::Overflow, "{report}");
                    assert!(is(report.action, action), "{report}");
                    assert_eq!(report.addr, block.addr() + layout.size() + byte - 1);
                    let about = report.block.unwrap();
                    assert_eq!((about.addr, about.layout), (block.addr(), layout));
                    assert!(report.allocated.is_some() && report.freed.is_none());
                    let text = report.to_string();
                    assert!(
                        text.contains(&format!("overflow, byte {byte} beyond the end")),
                        "{text}"
                    );
                    // SAFETY: The block is live, and has this layout.
                    unsafe { ALLOCATOR.dealloc(block, layout) };
                }
            }
        }
        assert!(reports().is_empty());
    });
}

#[test]
fn underflows_are_found_at_every_byte() {
    succeeds("underflows_are_found_at_every_byte", || {
        note_reports();
        for layout in LAYOUTS {
            for byte in 1..=64 {
                for action in [Action::Read, Action::Write] {
                    let block = at_start(&ALLOCATOR, layout);
                    access(block, -byte, action);
                    let report = report();
                    assert_eq!(report.fault, Fault::Underflow, "{report}");
                    assert!(is(report.action, action), "{report}");
                    assert_eq!(report.block.unwrap().addr, block.addr());
                    let text = report.to_string();
                    assert!(
                        text.contains(&format!("underflow, byte {byte} before the start")),
                        "{text}"
                    );
                    // SAFETY: The block is live, and has this layout.
                    unsafe { ALLOCATOR.dealloc(block, layout) };
                }
            }
        }
    });
}

#[test]
fn uses_after_free_are_found_at_every_byte() {
    succeeds("uses_after_free_are_found_at_every_byte", || {
        note_reports();
        let layout = Layout::new::<[u8; 64]>();
        for byte in 0..64 {
            for action in [Action::Read, Action::Write] {
                // SAFETY: The size is not zero, and the block is freed once.
                let block = unsafe {
                    let block = ALLOCATOR.alloc(layout);
                    ALLOCATOR.dealloc(block, layout);
                    block
                };
                access(block, byte, action);
                let report = report();
                assert_eq!(report.fault, Fault::UseAfterFree, "{report}");
                assert!(is(report.action, action), "{report}");
                assert!(report.allocated.is_some() && report.freed.is_some());
                let text = report.to_string();
                let expected =
                    format!("use after free, byte {byte} of the freed block of 64 bytes");
                assert!(text.contains(&expected), "{text}");
            }
        }
    });
}

#[test]
fn freed_memory_stays_inaccessible_until_all_slots_have_been_used() {
    succeeds("freed_memory_stays_inaccessible_until_all_slots_have_been_used", || {
        static ALLOCATOR: Guarded<System> = guarding_all().with_slots(40);
        note_reports();
        // The block is as large as a slot.
        let layout = Layout::new::<[u8; 16 << 10]>();
        // SAFETY: The size is not zero, and blocks are freed once.
        let cycle = || unsafe {
            let block = ALLOCATOR.alloc(layout);
            ALLOCATOR.dealloc(block, layout);
            block.addr() & !(common::page() - 1)
        };
        let first: Vec<_> = (0..40).map(|_| cycle()).collect();
        let second: Vec<_> = (0..40).map(|_| cycle()).collect();
        assert_eq!(first, second);
        assert!((1..40).all(|number| first[number] != first[0]));
    });
}

#[test]
fn a_program_that_continues_reads_zeros_and_keeps_its_blocks() {
    succeeds("a_program_that_continues_reads_zeros_and_keeps_its_blocks", || {
        note_reports();
        let layout = Layout::new::<[u8; 64]>();
        // SAFETY: Except for the error, which is reported, only live blocks are used.
        unsafe {
            let block = at_end(&ALLOCATOR, layout);
            let other = ALLOCATOR.alloc(layout);
            other.write_bytes(7, 64);
            block.write_bytes(9, 64);
            ALLOCATOR.dealloc(block, layout);
            assert_eq!(block.read_volatile(), 0);
            assert_eq!(report().fault, Fault::UseAfterFree);
            // The page is accessible now.
            block.write_volatile(5);
            assert_eq!(block.read_volatile(), 5);
            assert!(reports().is_empty());
            // The written value is gone when the slot is reused.
            for _ in 0..600 {
                let block = ALLOCATOR.alloc(layout);
                assert!((0..64).all(|byte| block.add(byte).read() == 0));
                ALLOCATOR.dealloc(block, layout);
            }
            assert!((0..64).all(|byte| other.add(byte).read() == 7));
            // The page is inaccessible again.
            block.read_volatile();
            assert_eq!(report().fault, Fault::UseAfterFree);
        }
    });
}

#[test]
fn an_access_far_from_all_blocks_belongs_to_no_block() {
    succeeds("an_access_far_from_all_blocks_belongs_to_no_block", || {
        note_reports();
        let layout = Layout::new::<[u8; 64]>();
        let block = at_start(&ALLOCATOR, layout);
        access(block, 200 * (20 << 10), Action::Read);
        let report = report();
        assert_eq!((report.fault, report.block), (Fault::Foreign, None));
        assert!(report.to_string().ends_with("there has never been one"), "{report}");
    });
}

/// There is only one error, and its message contains all known facts.
#[test]
fn by_default_the_report_is_printed_and_the_program_aborts() {
    let name = "by_default_the_report_is_printed_and_the_program_aborts";
    let output = in_child(name, || {
        let layout = Layout::new::<[u32; 10]>();
        let block = at_end(&ALLOCATOR, layout);
        println!("block at {block:?}");
        // SAFETY: The block is live, and has this layout.
        unsafe { ALLOCATOR.dealloc(block, layout) };
        access(block, 12, Action::Write);
        println!("not found");
    });
    let Some(output) = output else { return };
    let text = text(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    let block = text.lines().find_map(|line| line.split("block at ").nth(1)).unwrap();
    let addr = usize::from_str_radix(block.trim_start_matches("0x"), 16).unwrap() + 12;
    let verb = if cfg!(target_arch = "x86_64") { "writing at" } else { "accessing" };
    let expected = format!(
        "talloc-guarded: {verb} {addr:#x}: use after free, byte 12 of the freed block of 40 bytes \
         aligned to 4 at {block}\n"
    );
    assert!(text.contains(&expected), "{text}");
    for part in ["found by thread ", "allocated by thread ", "freed by thread "] {
        let (_, stack) = text.split_once(part).unwrap();
        let frame = stack.lines().nth(1).unwrap();
        assert!(frame.starts_with("   0: 0x"), "{frame}");
    }
    let (_, stacks) = text.split_once("allocated by thread ").unwrap();
    let (allocated, freed) = stacks.split_once("freed by thread ").unwrap();
    assert!(allocated.contains("/accesses-"), "{allocated}");
    let has_names = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
    if cfg!(target_os = "linux") && has_names {
        assert!(allocated.contains("::at_end\n"), "{allocated}");
        assert!(!freed.contains("::at_end\n"), "{freed}");
    }
}

#[test]
fn a_fault_elsewhere_reaches_the_earlier_handler() {
    extern "C" fn exit_42(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: The structure is valid, and exiting the process has no preconditions.
        unsafe { libc::_exit(if (*info).si_addr().addr() == 8 { 42 } else { 1 }) }
    }

    let name = "a_fault_elsewhere_reaches_the_earlier_handler";
    let output = in_child(name, || {
        // SAFETY: The handler exits the process. The access is the error to be detected.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = exit_42 as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut());
            ALLOCATOR.dealloc(ALLOCATOR.alloc(Layout::new::<u64>()), Layout::new::<u64>());
            std::hint::black_box(std::ptr::without_provenance::<u8>(8)).read_volatile();
        }
    });
    let Some(output) = output else { return };
    assert_eq!(output.status.code(), Some(42), "{}", text(&output));
}

#[test]
fn a_fault_elsewhere_ends_the_program_if_nothing_handles_it() {
    let name = "a_fault_elsewhere_ends_the_program_if_nothing_handles_it";
    let output = in_child(name, || {
        // SAFETY: The access is the error to be detected.
        unsafe {
            ALLOCATOR.dealloc(ALLOCATOR.alloc(Layout::new::<u64>()), Layout::new::<u64>());
            std::hint::black_box(std::ptr::without_provenance::<u8>(8)).read_volatile();
        }
    });
    let Some(output) = output else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{}", text(&output));
}

#[test]
fn a_sent_signal_ends_the_program_if_nothing_handles_it() {
    let name = "a_sent_signal_ends_the_program_if_nothing_handles_it";
    let output = in_child(name, || {
        // SAFETY: The block is freed once, and the process may send itself a signal.
        unsafe {
            // The standard library's handler would expect the access to be repeated.
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            ALLOCATOR.dealloc(ALLOCATOR.alloc(Layout::new::<u64>()), Layout::new::<u64>());
            libc::raise(libc::SIGSEGV);
        }
    });
    let Some(output) = output else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{}", text(&output));
}

#[test]
#[cfg(target_os = "linux")]
fn the_standard_library_still_tells_that_a_stack_has_overflowed() {
    fn descend(depth: u64) -> u64 {
        let page = std::hint::black_box([depth; 1000]);
        if depth == u64::MAX { 0 } else { descend(depth + 1) + page[depth as usize % 1000] }
    }

    let name = "the_standard_library_still_tells_that_a_stack_has_overflowed";
    let output = in_child(name, || {
        // SAFETY: The block is freed once.
        unsafe { ALLOCATOR.dealloc(ALLOCATOR.alloc(Layout::new::<u64>()), Layout::new::<u64>()) };
        descend(0);
    });
    let Some(output) = output else { return };
    let text = text(&output);
    assert!(text.contains("has overflowed its stack"), "{text}");
}

/// A fault in the report handler is not reported. It terminates the program.
#[test]
fn a_fault_in_the_handler_ends_the_program() {
    let name = "a_fault_in_the_handler_ends_the_program";
    let output = in_child(name, || {
        fn fault_again(report: &talloc_guarded::Report) -> talloc_guarded::Reaction {
            access(std::ptr::without_provenance_mut(report.addr), 1, Action::Read);
            talloc_guarded::Reaction::Continue
        }

        talloc_guarded::set_handler(fault_again);
        let block = at_end(&ALLOCATOR, Layout::new::<[u8; 8]>());
        access(block, 8, Action::Read);
    });
    let Some(output) = output else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{}", text(&output));
}

#[test]
fn threads_that_find_errors_at_the_same_time_report_one_after_another() {
    succeeds("threads_that_find_errors_at_the_same_time_report_one_after_another", || {
        note_reports();
        let layout = Layout::new::<[u8; 24]>();
        // While one thread creates the slots, blocks of others are not guarded.
        // SAFETY: The block is freed once.
        unsafe { ALLOCATOR.dealloc(at_end(&ALLOCATOR, layout), layout) };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let block = at_end(&ALLOCATOR, layout);
                        access(block, 24, Action::Read);
                        // SAFETY: The block is live, and has this layout.
                        unsafe { ALLOCATOR.dealloc(block, layout) };
                    }
                });
            }
        });
        let reports = reports();
        // An access is reported again if another thread makes the page inaccessible before it is repeated.
        assert!(reports.len() >= 80, "{}", reports.len());
        assert!(reports.iter().all(|report| report.fault == Fault::Overflow));
        let mut threads: Vec<_> = reports.iter().map(|report| report.caller.thread_id()).collect();
        threads.sort_unstable();
        threads.dedup();
        assert_eq!(threads.len(), 4);
    });
}
