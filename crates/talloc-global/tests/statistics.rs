//! The statistics of all threads' heaps, while the threads run.
#![cfg(all(feature = "system", feature = "std", any(unix, windows)))]

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;

use talloc_global::*;

#[global_allocator]
static ALLOCATOR: SystemTalloc = SystemTalloc::new();

/// Lets only one test run at a time, because they share the allocator.
static TURN: Mutex<()> = Mutex::new(());

/// Whether there is a process-wide barrier, which reading the heaps of other threads requires.
const SEES_OTHERS: bool = cfg!(any(target_os = "linux", windows));

const MIB: usize = 1 << 20;

#[test]
fn blocks_of_all_threads_are_counted() {
    let _turn = TURN.lock();
    const THREADS: usize = 4;
    const EACH: usize = 3 * MIB;
    let (ready, done) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let before = ALLOCATOR.statistics();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let blocks: Vec<Vec<u8>> = (0..EACH / 1000).map(|_| vec![1; 1000]).collect();
                ready.wait();
                done.wait();
                drop(blocks);
            });
        }
        ready.wait();
        let during = ALLOCATOR.statistics();
        if SEES_OTHERS {
            assert_eq!(during.unseen_heaps, 0);
            assert!(during.heaps > THREADS, "{during}");
            let more = during.used_bytes - before.used_bytes;
            // The rest is a vector of the addresses, and the threads themselves.
            assert!((THREADS * EACH..THREADS * EACH + MIB).contains(&more), "{more}");
            let heaps = ALLOCATOR.heap_statistics();
            let full = heaps.filter(|heap| heap.used_bytes >= EACH).count();
            assert!(full >= THREADS, "{full}");
        } else {
            assert!(during.unseen_heaps >= THREADS);
        }
        assert!(
            during.used_bytes + during.free_bytes + during.overhead_bytes == during.arena_bytes
        );
        done.wait();
    });
    let after = ALLOCATOR.statistics();
    assert!(after.used_bytes < before.used_bytes + MIB, "{after}");
    assert!(after.peak_bytes >= THREADS * EACH);
}

/// Blocks that a living thread has freed are in its quick lists, and count as free.
#[test]
fn cached_blocks_of_living_threads_are_free() {
    let _turn = TURN.lock();
    const BLOCKS: usize = 300;
    const BYTES: usize = 1000;
    let (ready, done) = (Barrier::new(2), Barrier::new(2));
    let before = ALLOCATOR.statistics().used_bytes;
    thread::scope(|scope| {
        scope.spawn(|| {
            drop((0..BLOCKS).map(|_| vec![1_u8; BYTES]).collect::<Vec<_>>());
            ready.wait();
            done.wait();
        });
        ready.wait();
        let used = ALLOCATOR.statistics().used_bytes;
        if SEES_OTHERS {
            assert!(used < before + BLOCKS * BYTES / 4, "{before}, then {used}");
        }
        done.wait();
    });
}

#[test]
fn the_sum_is_right_while_blocks_go_from_thread_to_thread() {
    let _turn = TURN.lock();
    const BLOCKS: usize = 200;
    const BYTES: usize = 10_000;
    let stop = AtomicBool::new(false);
    let before = ALLOCATOR.statistics().used_bytes;
    thread::scope(|scope| {
        let (to, from) = mpsc::sync_channel::<Vec<u8>>(BLOCKS);
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(Relaxed) {
                let _ = to.send(vec![1; BYTES]);
            }
        });
        scope.spawn(move || from.into_iter().for_each(drop));
        // Blocks in parcels on their way back to their heap count as used, too.
        let most = 2 * BLOCKS * BYTES + 8 * MIB;
        for _ in 0..2000 {
            let counted = ALLOCATOR.statistics();
            assert!(counted.used_bytes < before + most, "{counted}");
            assert!(counted.used_bytes <= counted.arena_bytes, "{counted}");
            assert!(ALLOCATOR.size_classes().total().free_bytes <= counted.arena_bytes + 64 * MIB);
        }
        stop.store(true, Relaxed);
    });
    let after = ALLOCATOR.statistics().used_bytes;
    assert!(after < before + MIB, "{before} before, {after} after");
}

#[test]
fn mapped_blocks_and_refusals_are_counted() {
    let _turn = TURN.lock();
    let before = ALLOCATOR.statistics();
    let large = Vec::<u8>::with_capacity(200 * MIB);
    let counted = ALLOCATOR.statistics();
    assert_eq!(counted.mapped_blocks, before.mapped_blocks + 1);
    assert!(counted.mapped_bytes >= before.mapped_bytes + 200 * MIB);
    drop(large);
    assert_eq!(ALLOCATOR.statistics().mapped_blocks, before.mapped_blocks);

    let layout = Layout::from_size_align(isize::MAX as usize & !7, 8).unwrap();
    // SAFETY: The size is not zero.
    let block = unsafe { ALLOCATOR.alloc(layout) };
    assert!(block.is_null());
    assert_eq!(ALLOCATOR.statistics().refused_requests, before.refused_requests + 1);
}

#[test]
fn what_goes_back_is_counted() {
    let _turn = TURN.lock();
    let purged = ALLOCATOR.statistics().purged_bytes;
    drop(std::hint::black_box(vec![1_u8; 16 * MIB]));
    ALLOCATOR.trim();
    let counted = ALLOCATOR.statistics();
    assert!(counted.purged_bytes >= purged + 16 * MIB as u64, "{counted}");
}

#[test]
fn one_heap_behind_a_lock_counts_the_same() {
    static HEAP: SystemTallock = SystemTallock::new();
    let large = Layout::from_size_align(64 * MIB, 8).unwrap();
    let small = Layout::from_size_align(5000, 8).unwrap();
    // SAFETY: The blocks are freed once, with their layouts.
    unsafe {
        let blocks = [HEAP.alloc(large), HEAP.alloc(small)];
        assert_eq!((HEAP.used_bytes(), HEAP.peak_bytes()), (5000, 5000));
        let counted = HEAP.statistics();
        assert_eq!((counted.used_bytes, counted.mapped_blocks), (5000, 1));
        assert_eq!(HEAP.free_bytes(), counted.free_bytes);
        assert!(HEAP.largest_free_bytes() <= counted.free_bytes);
        HEAP.dealloc(blocks[0], large);
        HEAP.dealloc(blocks[1], small);
    }
    assert_eq!(HEAP.used_bytes(), 0);
    let verified = HEAP.verify().unwrap();
    assert_eq!(HEAP.free_bytes(), verified.free_bytes);
}
