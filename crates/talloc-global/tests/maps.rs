//! Maps of the heaps of all threads, while the threads run.
#![cfg(all(feature = "system", feature = "std", any(unix, windows)))]

use std::sync::{Barrier, Mutex, mpsc};
use std::thread;

use talloc_global::inspect::{Chunk, ChunkKind, HeapMap, HeapMaps, SizeClasses, Statistics};
use talloc_global::*;

#[global_allocator]
static ALLOCATOR: SystemTalloc = SystemTalloc::new();

/// Lets only one test run at a time, because they share the allocator.
static TURN: Mutex<()> = Mutex::new(());

/// Whether there is a process-wide barrier, which reading the heaps of other threads requires.
const SEES_OTHERS: bool = cfg!(any(target_os = "linux", windows));

/// The number of holes in a heap. Each is too large for a quick list, and lies between blocks in use.
const HOLES: usize = 500;
const BYTES: usize = 40_000;

/// Returns the size of all chunks of some kinds in bytes.
fn bytes(map: &HeapMap, kinds: &[ChunkKind]) -> usize {
    map.iter().filter(|chunk| kinds.contains(&chunk.kind)).map(|chunk| chunk.span.size()).sum()
}

/// Makes holes in the thread's heap. Returns the blocks between them.
fn perforate() -> Vec<Vec<u8>> {
    let mut blocks: Vec<Vec<u8>> = (0..2 * HOLES).map(|_| vec![1; BYTES]).collect();
    let mut number = 0;
    blocks.retain(|_| {
        number += 1;
        number % 2 == 0
    });
    blocks
}

/// Reads all heaps. A thread that is interrupted within its heap is omitted, so the call is repeated.
fn read_all() -> (Vec<Statistics>, HeapMaps) {
    let read = || (ALLOCATOR.heap_statistics().collect::<Vec<_>>(), ALLOCATOR.heap_maps());
    let is_whole = |(_, maps): &(Vec<Statistics>, HeapMaps)| maps.unseen_heaps().is_empty();
    (0..100).map(|_| read()).find(is_whole).unwrap_or_else(read)
}

#[test]
fn the_heaps_of_living_threads_are_listed() {
    let _turn = TURN.lock();
    const THREADS: usize = 3;
    let (ready, done) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    // The checks follow after the threads have ended, because a failure would leave them waiting.
    let (counted, maps) = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let kept = perforate();
                ready.wait();
                done.wait();
                assert_eq!(kept.len(), HOLES);
            });
        }
        ready.wait();
        let read = read_all();
        done.wait();
        read
    });
    if !SEES_OTHERS {
        assert!(maps.unseen_heaps().len() >= THREADS);
        return;
    }
    assert!(maps.unseen_heaps().is_empty());
    let holes = |map: &HeapMap| map.free_chunks().filter(|c| c.span.size() >= BYTES).count();
    // The caller's heap, whose cached blocks are listed, changes while other heaps are read.
    let is_full = |map: &&HeapMap| holes(map) >= HOLES && bytes(map, &[ChunkKind::Cached]) == 0;
    let full: Vec<&HeapMap> = maps.iter().filter(is_full).collect();
    assert!(full.len() >= THREADS, "{} heaps have holes", full.len());
    for map in full {
        let free = bytes(map, &[ChunkKind::Free, ChunkKind::Top]);
        let is_it = |heap: &&Statistics| {
            (heap.arena_bytes, heap.free_bytes - heap.cached_bytes) == (all_bytes(map), free)
        };
        assert!(
            counted.iter().any(|heap| is_it(&heap)),
            "heap {} counts other bytes",
            map.number()
        );
        let classes: SizeClasses = map.iter().copied().collect();
        assert_eq!(classes.total().free_bytes, free);
    }
}

/// Returns the size of the arenas that a map covers, in bytes.
fn all_bytes(map: &HeapMap) -> usize {
    bytes(map, &[ChunkKind::Blocks, ChunkKind::Free, ChunkKind::Top, ChunkKind::Own])
}

/// The caller's cached blocks are listed, and lie in its own heap.
#[test]
fn cached_blocks_of_the_caller_are_listed() {
    let _turn = TURN.lock();
    drop((0..300).map(|_| vec![1_u8; 1000]).collect::<Vec<_>>());
    let maps = ALLOCATOR.heap_maps();
    let most = maps.iter().map(|map| bytes(map, &[ChunkKind::Cached])).max();
    assert!(most >= Some(100 * 1000), "{most:?}");
}

/// For its heap, another thread's cached block is allocated. It must not be listed twice.
#[test]
fn cached_blocks_of_other_heaps_are_not_listed() {
    let _turn = TURN.lock();
    let done = Barrier::new(2);
    let (to, from) = mpsc::channel();
    let maps = thread::scope(|scope| {
        scope.spawn(|| {
            to.send((0..300).map(|_| vec![1_u8; 1000]).collect::<Vec<_>>()).unwrap();
            done.wait();
        });
        // The caller's lists hold some of these blocks.
        drop(from.recv().unwrap());
        let maps = ALLOCATOR.heap_maps();
        done.wait();
        maps
    });
    for map in maps.iter() {
        let is_in_blocks = |block: &Chunk| {
            map.iter().any(|chunk| {
                chunk.kind == ChunkKind::Blocks && chunk.span.contains_span(block.span)
            })
        };
        let mut cached = map.iter().filter(|chunk| chunk.kind == ChunkKind::Cached);
        assert!(cached.all(is_in_blocks), "heap {} has blocks of others", map.number());
    }
}

#[cfg(feature = "snapshot")]
#[test]
fn one_snapshot_of_all_heaps_can_be_read_whatever_the_threads_do() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use talloc_trace::IoSink;
    use talloc_trace::snapshot::{Reader, Snapshot};

    let _turn = TURN.lock();
    let stop = AtomicBool::new(false);
    let (to, from) = mpsc::sync_channel(64);
    thread::scope(|scope| {
        // Blocks go to another thread, which frees them.
        scope.spawn(|| {
            let to = to;
            let mut random = fastrand::Rng::with_seed(1);
            while !stop.load(Relaxed) {
                let _ = to.send(vec![1_u8; random.usize(1..2000)]);
            }
        });
        scope.spawn(|| from.into_iter().for_each(drop));
        // Memory moves between heaps.
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                thread::scope(|inner| {
                    inner.spawn(perforate);
                    inner.spawn(|| vec![1_u8; 8 << 20]);
                });
                ALLOCATOR.trim();
            }
        });
        for _ in 0..100 {
            let maps = ALLOCATOR.heap_maps();
            let mut sink = IoSink::new(Vec::new());
            maps.write_snapshot(&mut sink).unwrap();
            let file = sink.finish().unwrap();
            let snapshot = Snapshot::read(Reader::new(file.as_slice()).unwrap());
            let snapshot = snapshot.unwrap_or_else(|error| panic!("{error}"));
            let listed: usize = maps.iter().map(all_bytes).sum();
            let bytes: u64 = snapshot.chunks.iter().map(|chunk| chunk.size).sum();
            // Cached blocks lie in other chunks.
            assert_eq!(bytes, listed as u64);
            assert_eq!(snapshot.lost, 0);
        }
        stop.store(true, Relaxed);
    });
}
