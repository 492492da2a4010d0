//! Threads that allocate and free each other's blocks, behind each lock.

use std::alloc::GlobalAlloc;
use std::sync::{Barrier, mpsc};
use std::thread;

use crate::common::block::Block;
use lock_api::RawMutex;
use talloc_sync::lock::Backoff;
use talloc_sync::{Talloc, Tallock};

/// Allocates, resizes and frees at random, and passes blocks to the next thread.
fn work<'a, H: GlobalAlloc + Sync>(
    heap: &'a H,
    steps: usize,
    seed: u64,
    from_other: &mpsc::Receiver<Block<&'a H>>,
    to_other: &mpsc::Sender<Block<&'a H>>,
) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut blocks = Vec::new();
    for _ in 0..steps {
        match random.u32(..10) {
            0..5 => blocks.extend(Block::random(heap, &mut random)),
            5 => from_other.try_iter().for_each(drop),
            _ if blocks.is_empty() => {}
            6 => {
                let block = random.choice(&mut blocks).unwrap();
                block.resize(random.usize(1..600));
            }
            7..9 => drop(blocks.swap_remove(random.usize(..blocks.len()))),
            _ => {
                let block = blocks.swap_remove(random.usize(..blocks.len()));
                to_other.send(block).unwrap();
            }
        }
    }
}

/// The divisor of the number of steps, because Miri is slow.
const SLOWER: usize = if cfg!(miri) { 1000 } else { 1 };

/// Runs threads on one heap. All memory must be free afterwards.
fn stress<H: GlobalAlloc + Sync>(heap: &H, threads: u64, steps: usize) {
    let steps = steps / SLOWER;
    let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::channel()).unzip();
    let start = Barrier::new(senders.len());
    thread::scope(|scope| {
        for (seed, receiver) in (0..threads).zip(&mut receivers) {
            let sender = senders[(seed + 1) as usize % senders.len()].clone();
            let start = &start;
            scope.spawn(move || {
                start.wait();
                work(heap, steps, seed, receiver, &sender);
            });
        }
    });
}

/// Runs threads that increment a counter, and sometimes yield while they hold the lock.
fn count<R: RawMutex + Send + Sync>(threads: u64, steps: usize) {
    let counter = lock_api::Mutex::<R, usize>::new(0);
    let step = |number: usize| {
        let mut guard = counter.lock();
        assert!(counter.is_locked() && counter.try_lock().is_none());
        let count = *guard;
        if number % 10 == 0 {
            thread::yield_now();
        }
        *guard = count + 1;
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..steps).for_each(step));
        }
    });
    assert_eq!(counter.into_inner(), threads as usize * steps);
}

/// Memory for about a hundred blocks, so the heap is full at times.
fn memory() -> Vec<u8> {
    vec![0; 30_000]
}

/// Checks that two threads never hold the lock at once, nor use a heap behind it.
fn stress_lock<R: RawMutex + Send + Sync>(threads: u64, steps: usize) {
    count::<R>(threads, steps / 100 / SLOWER.min(10));
    let mut memory = memory();
    let heap: Tallock<R> = Talloc::new().lock();
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe { heap.0.lock().init(memory.as_mut_slice().into()) };
    stress(&heap, threads, steps);
    let mut heap = heap.0.lock();
    heap.flush();
    let report = heap.verify().unwrap();
    assert_eq!((report.used_bytes, report.free_chunks), (0, 1));
}

#[test]
fn behind_a_lock_with_backoff() {
    stress_lock::<Backoff>(4, 100_000);
}

#[test]
#[cfg(feature = "spin")]
fn behind_a_spin_lock() {
    stress_lock::<talloc_sync::lock::Spin>(4, 100_000);
}

/// The test makes few steps. On a busy machine, each may have to wait for a thread that is not running.
#[test]
#[cfg(feature = "spin")]
fn behind_a_ticket_lock() {
    stress_lock::<talloc_sync::lock::Ticket>(2, 1000);
}

#[test]
fn behind_a_parking_lot() {
    stress_lock::<parking_lot::RawMutex>(4, 100_000);
}

#[test]
#[cfg(feature = "critical-section")]
fn in_critical_sections() {
    let mut memory = memory();
    let heap = talloc_sync::TallocCritical::<talloc_sync::RealTime>::new(Talloc::with_config());
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe { heap.with(|heap| heap.init(memory.as_mut_slice().into())) };
    stress(&heap, 4, 100_000);
    let report = heap.with(|heap| {
        heap.flush();
        heap.verify().unwrap()
    });
    assert_eq!((report.used_bytes, report.free_chunks), (0, 1));
}
