//! Correct programs. Most of their blocks are guarded.
#![cfg(unix)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;

use common::random::{Live, run};
use common::{ALL, child, guarding_all, in_child, succeeds, text};
use talloc_guarded::Guarded;

/// The programs use this allocator, too, and so test it.
#[global_allocator]
static ALLOCATOR: Guarded<System> = guarding_all();

#[test]
fn blocks_keep_their_contents() {
    for seed in 0..4 {
        run(&guarding_all(), seed, 4000, 100, 40_000);
    }
}

#[test]
fn blocks_keep_their_contents_when_slots_run_out() {
    for seed in 0..4 {
        run(&guarding_all().with_slots(16), seed, 4000, 100, 40_000);
    }
}

#[test]
fn blocks_keep_their_contents_at_other_rates() {
    for seed in 0..4 {
        let rate = NonZeroUsize::new(1 + 2 * seed as usize);
        run(&Guarded::new(System).with_rate(rate), seed, 4000, 100, 40_000);
    }
}

#[test]
fn large_blocks_keep_their_contents() {
    for seed in 0..2 {
        let allocator = Guarded::new(System).with_rate(None).with_large(20_000);
        run(&allocator, seed, 2000, 200, 300_000);
    }
}

#[test]
fn threads_have_blocks_of_their_own() {
    for threads in [2, 4, 8] {
        let allocator = guarding_all();
        thread::scope(|scope| {
            for seed in 0..threads {
                let allocator = &allocator;
                scope.spawn(move || run(allocator, seed, 2000, 60, 20_000));
            }
        });
    }
}

#[test]
fn blocks_are_freed_by_other_threads_and_outlive_theirs() {
    let allocator = guarding_all();
    let (sender, receiver) = mpsc::channel::<Live>();
    thread::scope(|scope| {
        for seed in 0..4 {
            let (allocator, sender) = (&allocator, sender.clone());
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..300 {
                    sender.send(Live::new(allocator, &mut random, 5000)).unwrap();
                }
            });
        }
        drop(sender);
        receiver.into_iter().for_each(|block| block.freed(&allocator));
    });
}

#[test]
fn blocks_that_cannot_be_guarded_are_passed_on() {
    let allocator = guarding_all();
    let page = common::page();
    let layouts = [(1, 2 * page, false), (16_385, 1, false), (16_384, 1, true), (1, page, true)];
    for (size, align, is_guarded) in layouts {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: The size is not zero, and the block is freed once.
        unsafe {
            let block = allocator.alloc(layout);
            assert_eq!(allocator.is_guarded(block), is_guarded, "{layout:?}");
            allocator.dealloc(block, layout);
        }
    }
}

/// They do not use slots for large blocks.
#[test]
fn blocks_between_sampled_and_large_ones_are_not_guarded() {
    let allocator = guarding_all().with_large(100_000);
    for (size, is_guarded) in [(16_384, true), (16_385, false), (99_999, false), (100_000, true)] {
        let layout = Layout::from_size_align(size, 8).unwrap();
        // SAFETY: The size is not zero, and the block is freed once.
        unsafe {
            let block = allocator.alloc(layout);
            assert_eq!(allocator.is_guarded(block), is_guarded, "{size}");
            allocator.dealloc(block, layout);
        }
    }
}

#[test]
fn when_all_slots_are_in_use_blocks_are_not_guarded() {
    let allocator = guarding_all().with_slots(10);
    let layout = Layout::new::<u64>();
    // SAFETY: The size is not zero, and blocks are freed once.
    unsafe {
        let blocks: Vec<_> = (0..20).map(|_| allocator.alloc(layout)).collect();
        let is_guarded: Vec<_> = blocks.iter().map(|block| allocator.is_guarded(*block)).collect();
        assert_eq!(is_guarded, [[true; 10], [false; 10]].concat());
        blocks.iter().for_each(|block| allocator.dealloc(*block, layout));
        let block = allocator.alloc(layout);
        assert!(allocator.is_guarded(block));
        allocator.dealloc(block, layout);
    }
}

#[test]
fn without_slots_nothing_is_guarded() {
    let allocator = guarding_all().with_slots(0);
    run(&allocator, 1, 500, 50, 20_000);
    assert!(!allocator.is_guarded(&raw const allocator as *const u8));
}

#[test]
fn large_blocks_are_guarded_from_their_size_on() {
    let allocator = Guarded::new(System).with_rate(None).with_large(100_000);
    for (size, is_guarded) in [(99_999, false), (100_000, true), (1 << 20, true), (1 << 31, false)]
    {
        let Ok(layout) = Layout::from_size_align(size, 8) else { continue };
        // SAFETY: The size is not zero, and the block is freed once.
        unsafe {
            let block = allocator.alloc_zeroed(layout);
            if !block.is_null() {
                assert_eq!(allocator.is_guarded(block), is_guarded, "{size}");
                allocator.dealloc(block, layout);
            }
        }
    }
}

#[test]
fn a_block_that_grows_large_is_guarded_and_one_that_shrinks_is_not() {
    let allocator = Guarded::new(System).with_rate(None).with_large(100_000);
    let mut random = fastrand::Rng::with_seed(3);
    let block = Live::new(&allocator, &mut random, 50);
    assert!(!allocator.is_guarded(block.block));
    let block = block.resized(&allocator, 200_000, 5);
    assert!(allocator.is_guarded(block.block));
    let block = block.resized(&allocator, 300_000, 6);
    assert!(allocator.is_guarded(block.block));
    let block = block.resized(&allocator, 10, 7);
    assert!(!allocator.is_guarded(block.block));
    block.freed(&allocator);
}

/// Small steps of growth and shrinking do not copy the contents each time.
#[test]
fn a_large_block_moves_rarely_as_it_grows_and_shrinks() {
    let allocator = Guarded::new(System).with_rate(None).with_large(100_000);
    let mut random = fastrand::Rng::with_seed(4);
    let layout = Layout::from_size_align(200_000, 8).unwrap();
    // SAFETY: The size is not zero.
    let block = unsafe { allocator.alloc(layout) };
    let mut block = Live { block, layout, mark: 0 }.filled(1);
    let mut moves = 0;
    let sizes = (200_000..2_000_000).step_by(7000);
    for size in sizes.clone().chain(sizes.rev()) {
        let before = block.block;
        block = block.resized(&allocator, size, random.u8(..));
        moves += usize::from(block.block != before);
        assert_eq!(allocator.layout_of(block.block), Some(block.layout));
        assert_eq!(allocator.live(), (1, size));
    }
    // The block moves once to the start of its pages, and once each time it doubles.
    assert!(moves <= 9, "{moves}");
    block.freed(&allocator);
}

#[test]
fn the_layout_of_a_live_block_is_known_and_no_other() {
    let allocator = Guarded::new(System).with_rate(None).with_large(100_000);
    for (size, align) in [(100_000, 1), (131_072, 4096), (3_000_001, 16), (99_999, 1)] {
        let layout = Layout::from_size_align(size, align).unwrap();
        let known = (size >= 100_000).then_some(layout);
        // SAFETY: The size is not zero, and the block is freed once.
        unsafe {
            let block = allocator.alloc(layout);
            assert_eq!(allocator.layout_of(block), known);
            for offset in [1, 16, 4096, 99_998] {
                assert_eq!(allocator.layout_of(block.add(offset)), None);
            }
            assert_eq!(allocator.layout_of(block.wrapping_sub(1)), None);
            assert_eq!(allocator.layout_of(block.wrapping_add(size)), None);
            allocator.dealloc(block, layout);
            assert_eq!(allocator.layout_of(block), None);
        }
    }
    assert_eq!(allocator.layout_of((&raw const allocator).cast()), None);
}

/// The standard library does not allocate large blocks before it installs its handler.
#[test]
fn without_a_handler_of_faults_the_first_blocks_are_not_sampled_but_large_ones_are_guarded() {
    let name =
        "without_a_handler_of_faults_the_first_blocks_are_not_sampled_but_large_ones_are_guarded";
    succeeds(name, || {
        // SAFETY: The default action needs no handler.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        let is_guarded = |allocator: &Guarded<System>, layout| {
            // SAFETY: The size is not zero, and the block is freed once.
            unsafe {
                let block = allocator.alloc(layout);
                let is_guarded = allocator.is_guarded(block);
                allocator.dealloc(block, layout);
                is_guarded
            }
        };
        let allocator = guarding_all();
        let guarded: Vec<_> =
            (0..20).map(|_| is_guarded(&allocator, Layout::new::<u64>())).collect();
        assert_eq!(guarded, [[false; 16].as_slice(), &[true; 4]].concat());
        // SAFETY: The default action needs no handler.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        let allocator = guarding_all().with_large(100_000);
        assert!(is_guarded(&allocator, Layout::new::<[u8; 100_000]>()));
    });
}

/// Blocks are at either end of their pages.
#[test]
fn both_places_are_used() {
    let allocator = guarding_all();
    let layout = Layout::new::<[u64; 3]>();
    let (mut at_start, mut at_end) = (0, 0);
    for _ in 0..400 {
        // SAFETY: The size is not zero, and the block is freed once.
        unsafe {
            let block = allocator.alloc(layout);
            at_start += usize::from(block.addr() % common::page() == 0);
            at_end += usize::from((block.addr() + 24) % common::page() == 0);
            allocator.dealloc(block, layout);
        }
    }
    assert_eq!(at_start + at_end, 400);
    // The bounds are five standard deviations.
    assert!((150..250).contains(&at_start), "{at_start}");
}

#[test]
fn collections_work() {
    let mut map = BTreeMap::new();
    for number in 0..2000_u64 {
        map.insert(number.wrapping_mul(7919) % 1000, vec![number; number as usize % 50]);
    }
    assert_eq!(map.len(), 1000);
    assert!(map.values().all(|list| list.iter().all(|number| *number == list[0])));
}

#[test]
fn the_rate_is_that_of_the_environment_unless_the_program_sets_it() {
    let name = "the_rate_is_that_of_the_environment_unless_the_program_sets_it";
    if in_child(name, print_rates).is_none() {
        return;
    }
    for (value, expected) in [
        ("7", "Some(7) Some(7) Some(3)"),
        ("0", "None None Some(3)"),
        (" 12 ", "Some(12) Some(12) Some(3)"),
        // Invalid values are ignored.
        ("", "Some(10000) None Some(3)"),
        ("-1", "Some(10000) None Some(3)"),
        ("many", "Some(10000) None Some(3)"),
    ] {
        let output = child(name).env("TALLOC_GUARDED_RATE", value).output().unwrap();
        let text = text(&output);
        assert!(text.contains(&format!("rates {expected}\n")), "{value}: {text}");
    }
}

fn print_rates() {
    let usual = Guarded::new(System);
    let off = Guarded::new(System).with_rate(None);
    let set = Guarded::new(System);
    set.set_rate(NonZeroUsize::new(3));
    println!("rates {:?} {:?} {:?}", usual.rate(), off.rate(), set.rate());
}

#[test]
fn a_program_can_change_the_rate() {
    let allocator = Guarded::new(System).with_rate(None);
    let layout = Layout::new::<u64>();
    // SAFETY: The size is not zero, and the block is freed once.
    let is_guarded = || unsafe {
        let block = allocator.alloc(layout);
        let is_guarded = allocator.is_guarded(block);
        allocator.dealloc(block, layout);
        is_guarded
    };
    assert!(!(0..100).any(|_| is_guarded()));
    allocator.set_rate(ALL);
    assert_eq!(allocator.rate(), ALL);
    // The first decisions may have been made for another allocator of this thread.
    assert!((0..100).skip(10).all(|_| is_guarded()));
    allocator.set_rate(None);
    assert!(!(0..100).any(|_| is_guarded()));
}

/// Forked children allocate, free and report, whatever other threads were doing.
#[test]
fn children_of_forks_work() {
    succeeds("children_of_forks_work", || {
        static DONE: AtomicBool = AtomicBool::new(false);
        common::note_reports();
        // The program's own allocator has blocks of the test harness, so this uses another.
        static FORKED: Guarded<System> = guarding_all();
        thread::scope(|scope| {
            for seed in 0..3 {
                scope.spawn(move || {
                    while !DONE.load(Relaxed) {
                        run(&FORKED, seed, 200, 50, 10_000);
                    }
                });
            }
            // The assertion must follow the signal to the threads to stop.
            let statuses: Vec<_> = (0..30).map(|_| status_of_forked(&FORKED)).collect();
            DONE.store(true, Relaxed);
            assert!(statuses.iter().all(|status| *status == 0), "{statuses:?}");
        });
    });
}

/// Returns the status of a child that uses the allocator.
fn status_of_forked(allocator: &Guarded<System>) -> i32 {
    // SAFETY: The child exits without unwinding.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::alarm(20);
            libc::_exit(in_forked(allocator));
        }
        let mut status = -1;
        libc::waitpid(child, &raw mut status, 0);
        status
    }
}

/// Uses the allocator in a child, without other allocations. Returns the exit code.
fn in_forked(allocator: &Guarded<System>) -> i32 {
    static FOUND: AtomicBool = AtomicBool::new(false);
    talloc_guarded::set_handler(|_| {
        FOUND.store(true, Relaxed);
        talloc_guarded::Reaction::Continue
    });
    let layout = Layout::new::<[u8; 100]>();
    // SAFETY: Except for the error, which is reported, blocks are freed once.
    unsafe {
        for _ in 0..300 {
            let block = allocator.alloc(layout);
            if !allocator.is_guarded(block) {
                return 1;
            }
            block.write_bytes(1, 100);
            allocator.dealloc(block, layout);
        }
        let block = allocator.alloc(layout);
        allocator.dealloc(block, layout);
        block.read_volatile();
    }
    if FOUND.load(Relaxed) { 0 } else { 2 }
}

/// The destructor runs when its thread ends.
#[test]
fn threads_allocate_while_they_end() {
    struct AtExit(Vec<u8>);

    impl Drop for AtExit {
        fn drop(&mut self) {
            self.0 = vec![1; 1000];
            assert!(self.0.iter().all(|byte| *byte == 1));
        }
    }

    thread_local!(static AT_EXIT: AtExit = const { AtExit(vec![]) });
    for _ in 0..20 {
        thread::spawn(|| AT_EXIT.with(|at_exit| assert!(at_exit.0.is_empty()))).join().unwrap();
    }
}
