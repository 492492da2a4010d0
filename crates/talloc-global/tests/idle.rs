//! Programs with a peak that then idle: how much memory goes back to the system.
//!
//! Resident memory is measured for the whole process, so only one test runs at a time. The tests themselves use another
//! allocator.
#![cfg(all(feature = "system", feature = "std", target_os = "linux", target_pointer_width = "64"))]

use std::alloc::{GlobalAlloc, Layout};
use std::fs;
use std::ptr;
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use talloc_global::config::Checked;
use talloc_global::inspect::Report;
use talloc_global::source::SystemSource;
use talloc_global::*;

const MIB: usize = 1 << 20;

/// The peak of the tests in bytes.
const PEAK: usize = 200 * MIB;

/// Lets only one test run at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the resident memory of the process in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

/// Any of the heaps.
trait Heap: GlobalAlloc + Sync {
    fn report(&self) -> Report;
    fn trim_now(&self);
}

impl Heap for SystemTalloc {
    fn report(&self) -> Report {
        self.verify().unwrap()
    }

    fn trim_now(&self) {
        self.trim();
    }
}

impl<C: Config> Heap for SystemTallock<C> {
    fn report(&self) -> Report {
        self.verify().unwrap()
    }

    fn trim_now(&self) {
        self.trim();
    }
}

/// How long a test waits for memory to be purged. This usually takes a few tenths of a second, but a busy machine needs
/// more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does little, as an idle program does, until at most `most` bytes are resident beyond `before`. This is enough for
/// the heap to notice the elapsed time. Returns the resident bytes beyond `before` at the end.
fn wait_until_idle(heap: &impl Heap, before: usize, most: usize) -> usize {
    let layout = Layout::new::<[u8; 3000]>();
    let start = Instant::now();
    loop {
        thread::sleep(Duration::from_millis(2));
        for _ in 0..100 {
            // SAFETY: The block is freed once, with its layout.
            unsafe { heap.dealloc(heap.alloc(layout), layout) };
        }
        let idle = resident().saturating_sub(before);
        if idle < most || start.elapsed() > PATIENCE {
            return idle;
        }
    }
}

/// A block that has been written.
struct Block(*mut u8, Layout);

// SAFETY: A `Block` has exclusive access to its memory.
unsafe impl Send for Block {}

fn allocate(heap: &impl Heap, size: usize) -> Block {
    let layout = Layout::from_size_align(size, 8).unwrap();
    // SAFETY: The size is not zero, and all accesses are within the block.
    unsafe {
        let block = heap.alloc(layout);
        assert!(!block.is_null());
        block.write_bytes(1, size);
        Block(block, layout)
    }
}

fn free(heap: &impl Heap, block: Block) {
    // SAFETY: The heap allocated the block with this layout, and it is freed once.
    unsafe { heap.dealloc(block.0, block.1) }
}

/// Creates an empty list with capacity for `bytes` bytes of blocks of up to `most` bytes. The list itself is resident.
fn list(bytes: usize, most: usize) -> Vec<Block> {
    let mut list = Vec::new();
    list.resize_with(3 * bytes / most, || Block(ptr::dangling_mut(), Layout::new::<()>()));
    list.clear();
    list
}

/// Adds blocks of up to `most` bytes, `bytes` in total, and shuffles the list.
fn fill(heap: &impl Heap, list: &mut Vec<Block>, bytes: usize, most: usize) {
    let mut random = Rng::with_seed(most as u64);
    let mut sum = 0;
    while sum < bytes {
        let size = random.usize(16..=most);
        list.push(allocate(heap, size));
        sum += size;
    }
    random.shuffle(list);
}

/// Allocates blocks of up to `most` bytes up to the peak, and frees all in random order.
fn peak_and_idle(heap: &impl Heap, most: usize) {
    let _alone = alone();
    let mut blocks = list(PEAK, most);
    heap.trim_now();
    let before = resident();
    fill(heap, &mut blocks, PEAK, most);
    let peak = resident() - before;
    // Pages left by an earlier test may be reused.
    assert!(peak > PEAK / 10 * 9, "{peak} of {PEAK}");
    blocks.drain(..).for_each(|block| free(heap, block));
    let idle = wait_until_idle(heap, before, PEAK / 10);
    assert!(idle < PEAK / 10, "{idle} bytes are left of {peak}");
    heap.report();
    heap.trim_now();
    let report = heap.report();
    assert_eq!((report.used_bytes, report.cached_bytes), (0, 0));
    // The bitmap and the caches stay resident.
    let trimmed = resident().saturating_sub(before);
    assert!(trimmed < PEAK / 25, "{trimmed} bytes are left of {idle}");
}

#[test]
fn small_blocks() {
    static CACHED: SystemTalloc = SystemTalloc::new();
    static LOCKED: SystemTallock = SystemTallock::new();
    peak_and_idle(&CACHED, 100);
    peak_and_idle(&LOCKED, 100);
}

#[test]
fn blocks_of_up_to_a_page() {
    static CACHED: SystemTalloc = SystemTalloc::new();
    static LOCKED: SystemTallock = SystemTallock::new();
    static CHECKED: SystemTallock<Checked> = SystemTallock::with_config();
    peak_and_idle(&CACHED, 4096);
    peak_and_idle(&LOCKED, 4096);
    peak_and_idle(&CHECKED, 4096);
}

#[test]
fn large_blocks() {
    static CACHED: SystemTalloc = SystemTalloc::new();
    static LOCKED: SystemTallock = SystemTallock::new();
    peak_and_idle(&CACHED, 3 * MIB);
    peak_and_idle(&LOCKED, 3 * MIB);
}

#[test]
fn between_blocks_that_stay() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    let _alone = alone();
    let mut blocks = list(PEAK, 4096);
    HEAP.trim_now();
    let before = resident();
    fill(&HEAP, &mut blocks, PEAK, 4096);
    let kept = blocks.len() / 50;
    let live: usize = blocks[..kept].iter().map(|block| block.1.size()).sum();
    blocks.drain(kept..).for_each(|block| free(&HEAP, block));
    let idle = wait_until_idle(&HEAP, before, live + (PEAK - live) / 10);
    assert!(idle < live + (PEAK - live) / 10, "{idle} bytes are left, {live} of them used");
    for block in blocks {
        // SAFETY: The block was initialised when it was allocated.
        let content = unsafe { std::slice::from_raw_parts(block.0, block.1.size()) };
        assert!(content.iter().all(|byte| *byte == 1));
        free(&HEAP, block);
    }
    HEAP.report();
}

#[test]
fn threads_that_free_what_others_have_allocated() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    const THREADS: usize = 4;
    let _alone = alone();
    let lists = (0..THREADS).map(|_| list(PEAK / THREADS, 1000)).collect();
    let (barrier, lists) = (Barrier::new(THREADS + 1), Mutex::<Vec<_>>::new(lists));
    HEAP.trim_now();
    let before = resident();
    thread::scope(|scope| {
        let run = || {
            let mut blocks = lists.lock().unwrap().pop().unwrap();
            fill(&HEAP, &mut blocks, PEAK / THREADS, 1000);
            lists.lock().unwrap().push(blocks);
            barrier.wait();
            let mut blocks = lists.lock().unwrap().pop().unwrap();
            blocks.drain(..).for_each(|block| free(&HEAP, block));
            wait_until_idle(&HEAP, before, PEAK / 10);
            // The thread is idle, and its caches may hold blocks.
            barrier.wait();
            barrier.wait();
            drop(blocks);
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        barrier.wait();
        barrier.wait();
        let idle = resident().saturating_sub(before);
        barrier.wait();
        // Threads leave their heaps when they end.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(idle < PEAK / 10, "{idle} bytes are left");
    });
    HEAP.trim_now();
    assert_eq!(HEAP.report().used_bytes, 0);
}

#[test]
fn nothing_is_purged_by_itself_if_the_decay_is_off() {
    static CACHED: SystemTalloc = SystemTalloc::new();
    static LOCKED: SystemTallock = SystemTallock::new();
    fn stays(heap: &impl Heap) {
        let mut blocks = list(PEAK, 4096);
        heap.trim_now();
        let before = resident();
        fill(heap, &mut blocks, PEAK, 4096);
        // Memory that the thread of an earlier test has not given back yet may be reused.
        let peak = resident().saturating_sub(before);
        blocks.drain(..).for_each(|block| free(heap, block));
        let end = Instant::now() + Duration::from_millis(500);
        while Instant::now() < end {
            wait_until_idle(heap, before, usize::MAX);
        }
        let idle = resident().saturating_sub(before);
        assert!(peak > PEAK / 2 && idle > peak / 10 * 9, "{idle} of {peak} are left");
        heap.trim_now();
        let trimmed = resident().saturating_sub(before);
        assert!(trimmed < PEAK / 25, "{trimmed} bytes are left of {idle}");
    }
    /// Switches the decay on again, even if the test fails.
    struct Decays;
    impl Drop for Decays {
        fn drop(&mut self) {
            SystemSource::set_purge_delay(Some(Duration::from_millis(100)));
        }
    }
    let _alone = alone();
    let _decays = Decays;
    CACHED.set_purge_delay(None);
    stays(&CACHED);
    stays(&LOCKED);
}

#[test]
fn memory_of_dropped_structures_is_coalesced() {
    static HEAP: SystemTallock = SystemTallock::new();
    let _alone = alone();
    let mut blocks = list(32 * MIB, 400);
    fill(&HEAP, &mut blocks, 32 * MIB, 400);
    blocks.drain(..).for_each(|block| free(&HEAP, block));
    let Report { used_bytes, cached_bytes, .. } = HEAP.report();
    assert!(used_bytes == 0 && cached_bytes < 64 << 10, "{cached_bytes} bytes lie scattered");
}

#[test]
fn a_thread_that_only_frees_keeps_little() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    let _alone = alone();
    let mut blocks = list(32 * MIB, 2000);
    fill(&HEAP, &mut blocks, 32 * MIB, 2000);
    let free_all = move || {
        blocks.drain(..).for_each(|block| free(&HEAP, block));
        // A thread's report includes its own caches.
        let cached = HEAP.report().cached_bytes;
        assert!(cached < 128 << 10, "{cached} bytes are kept");
    };
    thread::spawn(free_all).join().unwrap();
    HEAP.trim_now();
    assert_eq!(HEAP.report().used_bytes, 0);
}

#[test]
fn memory_that_is_needed_again_soon_is_kept() {
    static HEAP: SystemTalloc = SystemTalloc::new();
    const ROUNDS: usize = 1000;
    let _alone = alone();
    let mut kept = Vec::new();
    fill(&HEAP, &mut kept, 16 * MIB, 100_000);
    for size in [MIB, 5 * MIB, 10 * MIB, 30 * MIB] {
        let faults = || faults_so_far();
        let layout = Layout::from_size_align(size, 8).unwrap();
        let touch = || {
            // SAFETY: The size is not zero, and the block is freed once, with its layout.
            unsafe {
                let block = HEAP.alloc(layout);
                (0..size).step_by(4096).for_each(|at| block.add(at).write(1));
                HEAP.dealloc(block, layout);
            }
        };
        touch();
        let before = faults();
        (0..ROUNDS / (size / MIB)).for_each(|_| touch());
        let more = faults() - before;
        assert!(more < 4 * size as i64 / 4096, "{more} pages were purged and then needed again");
    }
    kept.into_iter().for_each(|block| free(&HEAP, block));
    HEAP.report();
}

/// Returns the number of page faults of the process so far.
fn faults_so_far() -> i64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(7).unwrap().parse().unwrap()
}
