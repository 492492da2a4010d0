//! Magazines: what they cache, for how long, and that no block is lost.
#![cfg(target_has_atomic = "ptr")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::Barrier;
use std::thread;

use crate::common::block::Block;
use lock_api::RawMutex;
use talloc_sync::lock::Backoff;
use talloc_sync::{
    ByStack, Caller, Checked, Compact, Config, OomHandler, RealTime, SharedHeap, Talloc,
};

/// A caller with the slot that the test sets.
struct Said;

thread_local! {
    static SLOT: Cell<usize> = const { Cell::new(0) };
}

impl Caller for Said {
    fn number() -> usize {
        SLOT.get()
    }
}

thread_local! {
    static TRIPS: Cell<usize> = const { Cell::new(0) };
}

/// A lock that counts how often each thread acquires it.
struct Counted(Backoff);

// SAFETY: It delegates to the inner lock.
unsafe impl RawMutex for Counted {
    const INIT: Self = Self(Backoff::INIT);

    type GuardMarker = <Backoff as RawMutex>::GuardMarker;

    fn lock(&self) {
        TRIPS.set(TRIPS.get() + 1);
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: The caller holds the lock.
        unsafe { self.0.unlock() }
    }
}

/// Returns how often `run` acquires the heap's lock.
fn trips(run: impl FnOnce()) -> usize {
    let before = TRIPS.get();
    run();
    TRIPS.get() - before
}

type Magazines<C = Compact, P = Said, const N: usize = 4> =
    talloc_sync::TallocMagazines<Counted, C, OomHandler<C>, P, N>;

/// Creates a heap with `size` bytes of leaked memory.
fn heap<C: Config, W, const N: usize>(size: usize) -> Magazines<C, W, N> {
    let heap = Magazines::new(Talloc::with_config());
    let memory = Vec::leak(vec![0_u8; size]);
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.lock().init(memory.into()) };
    heap
}

/// Checks that no block is allocated, and that none is cached after a flush.
fn check_empty<C: Config, W: Caller, const N: usize>(heap: &Magazines<C, W, N>) {
    assert_eq!(heap.verify().unwrap().used_bytes, 0);
    heap.flush();
    let report = heap.verify().unwrap();
    assert_eq!((report.used_bytes, report.cached_bytes, report.free_chunks), (0, 0, 1));
}

fn blocks<H: GlobalAlloc>(heap: &H, size: usize, count: usize) -> Vec<Block<&H>> {
    let layout = Layout::from_size_align(size, 8).unwrap();
    (0..count).map(|number| Block::new(heap, layout, number as u8).unwrap()).collect()
}

#[test]
fn every_size_is_allocated_resized_and_freed() {
    let heap = heap::<Compact, Said, 4>(1 << 20);
    for align in [1, 8, 16, 64, 4096] {
        for size in (1..700).step_by(7) {
            let layout = Layout::from_size_align(size, align).unwrap();
            let mut blocks: Vec<_> =
                (0..9).map(|tag| Block::new(&heap, layout, tag).unwrap()).collect();
            for (number, block) in blocks.iter_mut().enumerate() {
                assert!(block.resize(size * (number + 1) / 3 + 1));
            }
            drop(Block::zeroed(&heap, layout).unwrap());
        }
    }
    check_empty(&heap);
}

#[test]
fn a_flush_forgets_the_arenas_even_where_nothing_may_be_cached() {
    let heap = heap::<RealTime, Said, 4>(2000);
    let mut live = blocks(&heap, 40, 4);
    let mut free = || trips(|| drop(live.pop().unwrap()));
    let first = free();
    assert_eq!(heap.verify().unwrap().cached_bytes, 0, "no block is cached in a small heap");
    // The second call has cached the arena's bounds, so it does not need the heap to find it.
    assert_eq!(free(), first - 1);
    heap.flush();
    assert_eq!(free(), first);
    drop(live);
    check_empty(&heap);
}

#[test]
fn cached_blocks_are_neither_live_nor_lost() {
    let heap = heap::<RealTime, Said, 4>(1 << 20);
    let live = blocks(&heap, 40, 100);
    let report = heap.verify().unwrap();
    assert_eq!(report.used_bytes, 100 * 40);
    drop(live);
    let report = heap.verify().unwrap();
    assert_eq!(report.used_bytes, 0);
    assert!(report.cached_bytes > 0 && report.cached_blocks * 40 == report.cached_bytes);
    // For the heap itself, cached blocks are allocated.
    assert_eq!(heap.lock().verify().unwrap().used_bytes, report.cached_bytes);
    check_empty(&heap);
}

#[test]
fn a_sixteenth_of_the_arenas_is_cached_at_most() {
    for size in [1 << 10, 4 << 10, 64 << 10, 1 << 20] {
        let heap = heap::<RealTime, Said, 4>(size);
        for slot in 0..4 {
            SLOT.set(slot);
            for bytes in [16, 40, 100, 256, 512] {
                drop(blocks(&heap, bytes, size / 4 / bytes));
                let cached = heap.verify().unwrap().cached_bytes;
                assert!(cached <= size / 16, "{cached} bytes of {size} are cached");
            }
        }
        check_empty(&heap);
    }
}

#[test]
fn a_slot_takes_its_share_at_most() {
    let heap = heap::<RealTime, Said, 4>(64 << 20);
    SLOT.set(0);
    for bytes in (16..=512).step_by(8) {
        drop(blocks(&heap, bytes, 200));
    }
    let cached = heap.verify().unwrap().cached_bytes;
    // The excess goes to the depot, whose limit equals that of all slots together.
    assert!(cached <= (64 << 10) + 4 * (32 << 10), "{cached} bytes are cached");
    check_empty(&heap);
}

#[test]
fn the_heap_is_asked_for_two_magazines_at_a_time() {
    // Once the slot has seen the demand, a magazine has ten blocks of 96 bytes.
    let heap = heap::<RealTime, Said, 4>(16 << 20);
    let first = blocks(&heap, 96, 1000);
    let mut second = Vec::new();
    let taken = trips(|| second = blocks(&heap, 96, 1000));
    assert!((49..=51).contains(&taken), "{taken} trips");
    assert_eq!(heap.verify().unwrap().used_bytes, 2000 * 96);
    drop((first, second));
    check_empty(&heap);
}

#[test]
fn magazines_go_round_without_the_heap() {
    let heap = heap::<RealTime, Said, 4>(16 << 20);
    let hand_off = || {
        SLOT.set(0);
        let blocks = blocks(&heap, 96, 500);
        SLOT.set(1);
        drop(blocks);
    };
    (0..10).for_each(|_| hand_off());
    // The depot has room for these 50,000 bytes.
    let taken = trips(|| (0..20).for_each(|_| hand_off()));
    assert_eq!(taken, 0);
    check_empty(&heap);
}

#[test]
fn other_sizes_make_room_for_one_that_is_wanted() {
    let heap = heap::<RealTime, Said, 4>(64 << 20);
    SLOT.set(0);
    for bytes in (16..512).step_by(8) {
        drop(blocks(&heap, bytes, 200));
    }
    // Blocks of other sizes have filled the slot.
    let use_wanted = || (0..50).for_each(|_| drop(blocks(&heap, 512, 1)));
    (0..10).for_each(|_| use_wanted());
    let taken = trips(use_wanted);
    assert_eq!(taken, 0);
    check_empty(&heap);
}

#[test]
fn a_request_that_would_fail_gets_what_is_cached() {
    let heap = heap::<RealTime, Said, 4>(64 << 10);
    let free = heap.verify().unwrap().largest_free_bytes;
    for slot in 0..4 {
        SLOT.set(slot);
        drop(blocks(&heap, 64, 500));
    }
    assert!(heap.verify().unwrap().cached_bytes > 0);
    let whole = Layout::from_size_align(free, 8).unwrap();
    drop(Block::new(&heap, whole, 1).unwrap());
    // A small request succeeds, too.
    let live: Vec<_> =
        std::iter::from_fn(|| Block::random(&heap, &mut fastrand::Rng::with_seed(7))).collect();
    assert!(!live.is_empty());
    drop(live);
    check_empty(&heap);
}

#[test]
fn the_source_is_asked_after_everything_is_flushed() {
    /// Provides memory in small pieces, after a check that the caches were flushed.
    fn give(heap: &mut Talloc, layout: Layout) -> Result<(), talloc_sync::AllocError> {
        assert!(
            heap.verify().unwrap().used_bytes <= 150_000,
            "cached blocks were not flushed first"
        );
        let memory = Vec::leak(vec![0_u8; 30_000 + layout.size()]);
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(memory.into()) }.map_err(|_| talloc_sync::AllocError)
    }
    let heap: Magazines<Compact, Said, 2> = Magazines::new(Talloc::with_oom_handler(give));
    for _ in 0..3 {
        // The blocks come from many arenas, more than a slot caches.
        let mut live = blocks(&heap, 100, 1500);
        fastrand::Rng::with_seed(3).shuffle(&mut live);
        drop(live);
    }
    assert!(heap.lock().arenas().count() > 4);
    assert_eq!(heap.verify().unwrap().used_bytes, 0);
    heap.flush();
    assert_eq!(heap.verify().unwrap().cached_blocks, heap.lock().verify().unwrap().cached_blocks);
}

#[test]
fn blocks_freed_in_one_slot_serve_another() {
    let heap = heap::<RealTime, Said, 2>(16 << 20);
    let trips = || heap.lock().verify().unwrap().used_bytes;
    for round in 0..100 {
        SLOT.set(0);
        let live = blocks(&heap, 64, 64);
        SLOT.set(1);
        drop(live);
        if round == 20 {
            assert!(trips() > 0);
        }
    }
    // All magazines circulate through the depot, so the heap is not needed.
    let before = trips();
    for _ in 0..100 {
        SLOT.set(0);
        let live = blocks(&heap, 64, 64);
        SLOT.set(1);
        drop(live);
    }
    assert_eq!(trips(), before);
    check_empty(&heap);
}

#[test]
fn a_block_that_cannot_move_is_resized_in_place() {
    let heap = heap::<RealTime, Said, 2>(10_000);
    let mut live = Vec::new();
    while let Some(block) = Block::new(&heap, Layout::new::<[u64; 5]>(), 1) {
        live.push(block);
    }
    // Blocks are allocated from the lowest address up, so only the second one is free.
    live.sort_by_key(|block| block.addr());
    drop(live.remove(1));
    let refused = || heap.statistics().refused_requests;
    let before = refused();
    assert!(live[0].resize(80));
    assert_eq!(refused(), before, "the call was counted as refused");
    assert!(!live[0].resize(88));
    assert_eq!(refused(), before + 1);
    assert!(live[0].resize(40) && live[0].resize(80));
    assert_eq!(refused(), before + 1);
    drop(live);
    check_empty(&heap);
}

#[test]
fn a_checked_heap_sees_every_call() {
    let heap = heap::<Checked, Said, 2>(1 << 16);
    drop(blocks(&heap, 64, 100));
    assert_eq!(heap.lock().verify().unwrap().used_bytes, 0);
    check_empty(&heap);
}

#[test]
#[should_panic(expected = "already free")]
fn a_checked_heap_detects_a_double_free() {
    let heap = heap::<Checked, Said, 2>(1 << 16);
    let layout = Layout::new::<u64>();
    let handle = &heap;
    // SAFETY: Freeing twice is misuse, which the heap detects before it changes anything.
    unsafe {
        let block = talloc_sync::shared::allocate(handle, layout).unwrap().cast();
        talloc_sync::shared::deallocate(handle, block, layout);
        talloc_sync::shared::deallocate(handle, block, layout);
    }
}

/// Runs threads that start and end and free each other's blocks. There are more threads than slots.
fn stress<C: Config, W: Caller, const N: usize>(threads: u64, steps: usize, size: usize) {
    let heap = heap::<C, W, N>(size);
    let heap = &heap;
    let pool = std::sync::Mutex::new(Vec::new());
    for generation in 0..3 {
        let barrier = Barrier::new(threads as usize);
        thread::scope(|scope| {
            for thread in 0..threads {
                let (barrier, pool) = (&barrier, &pool);
                scope.spawn(move || {
                    SLOT.set(thread as usize);
                    let mut random = fastrand::Rng::with_seed(generation * threads + thread);
                    let mut blocks = Vec::new();
                    barrier.wait();
                    for _ in 0..steps {
                        match random.u32(..12) {
                            0..5 => blocks.extend(Block::random(heap, &mut random)),
                            5 => std::mem::swap(&mut *pool.lock().unwrap(), &mut blocks),
                            6 if random.u32(..200) == 0 => heap.flush(),
                            _ if blocks.is_empty() => {}
                            7 => {
                                let block: &mut Block<_> = random.choice(&mut blocks).unwrap();
                                block.resize(random.usize(1..700));
                            }
                            _ => drop(blocks.swap_remove(random.usize(..blocks.len()))),
                        }
                    }
                });
            }
        });
        heap.verify().unwrap();
    }
    drop(pool);
    check_empty(heap);
}

#[test]
fn threads_with_slots_of_their_own() {
    stress::<Compact, Said, 4>(4, 50_000, 200_000);
}

#[test]
fn threads_that_share_slots() {
    stress::<RealTime, Said, 2>(5, 30_000, 100_000);
}

#[test]
fn threads_with_one_slot() {
    stress::<Compact, ByStack, 1>(3, 30_000, 1 << 20);
}
