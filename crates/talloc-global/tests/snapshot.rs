//! Snapshots agree with the heaps.
#![cfg(feature = "snapshot")]

use std::alloc::Layout;

use talloc_core::Level;
use talloc_global::config::{Checked, Micro, RealTime, Tiny};
use talloc_global::inspect::write_snapshot;
use talloc_global::{Compact, Config, OwnedTalloc, Span, Talloc};
use talloc_trace::Sink;
use talloc_trace::snapshot::{ChunkKind, Incomplete, Reader, Snapshot};

/// A buffer with a limited capacity.
struct Buffer {
    bytes: Vec<u8>,
    room: usize,
}

impl Sink for Buffer {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let fits = self.bytes.len() + bytes.len() <= self.room;
        if fits {
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }
}

const BYTES: usize = 60 << 10;

/// Creates a heap used by a random program. Its memory is leaked.
fn used_heap<C: Config>(arenas: usize) -> OwnedTalloc<C> {
    let mut heap = Talloc::<C>::with_config();
    for _ in 0..arenas {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(Span::from(vec![0; BYTES].leak())) }.unwrap();
    }
    let mut random = fastrand::Rng::with_seed(7);
    let mut blocks = vec![];
    for _ in 0..2000 {
        let layout = Layout::from_size_align(random.usize(1..600), 8).unwrap();
        // SAFETY: `malloc` has no preconditions.
        blocks.extend(unsafe { heap.malloc(layout) }.map(|block| (block, layout)));
        if random.u8(..100) < 80 {
            let (block, layout) = blocks.swap_remove(random.usize(..blocks.len()));
            // SAFETY: The block is freed once, with its layout.
            unsafe { heap.free(block, layout) };
        }
    }
    heap
}

fn says_what_the_heap_says<C: Config>(arenas: usize) {
    let heap = used_heap::<C>(arenas);
    let mut sink = Buffer { bytes: vec![], room: usize::MAX };
    write_snapshot(&heap, &mut sink).unwrap();
    let snapshot = Snapshot::read(Reader::new(sink.bytes.as_slice()).unwrap()).unwrap();
    let counted = heap.inspect().statistics();
    let free =
        [ChunkKind::Free, ChunkKind::Top, ChunkKind::Cached].map(|kind| snapshot.bytes(kind));
    assert_eq!(free.iter().sum::<u64>(), counted.free_bytes as u64);
    assert_eq!(free[2], counted.cached_bytes as u64);
    let kind = if C::CHECKED { ChunkKind::Used } else { ChunkKind::Blocks };
    assert_eq!(snapshot.bytes(kind), counted.used_bytes as u64);
    assert!(snapshot.bytes(ChunkKind::Own) > 0);
    let classes = heap.inspect().size_classes().total();
    let number = |kinds: &[ChunkKind]| {
        snapshot.chunks.iter().filter(|chunk| kinds.contains(&chunk.kind)).count()
    };
    assert_eq!(number(&[ChunkKind::Free, ChunkKind::Top]), classes.free_chunks);
    assert_eq!(number(&[ChunkKind::Cached]), classes.cached_blocks);
    assert_eq!(number(&[ChunkKind::Used]), classes.used_blocks);
    // A chunk takes few bytes.
    let chunks = snapshot.chunks.len();
    assert!(sink.bytes.len() < 6 * chunks + 64, "{} bytes for {chunks} chunks", sink.bytes.len());
}

#[test]
fn a_snapshot_says_what_the_heap_says() {
    says_what_the_heap_says::<Compact>(1);
    says_what_the_heap_says::<Compact>(3);
    says_what_the_heap_says::<RealTime>(2);
    says_what_the_heap_says::<Micro>(2);
    says_what_the_heap_says::<Tiny>(1);
    says_what_the_heap_says::<Checked>(2);
    says_what_the_heap_says::<Checked<RealTime>>(1);
}

#[test]
fn a_sink_that_is_full_is_an_error_and_the_rest_can_be_read() {
    let heap = used_heap::<Compact>(1);
    let mut whole = Buffer { bytes: vec![], room: usize::MAX };
    write_snapshot(&heap, &mut whole).unwrap();
    let chunks = Reader::new(whole.bytes.as_slice()).unwrap().count() as u64;

    let nothing = Buffer { bytes: vec![], room: 7 };
    let expected = Incomplete { lost: chunks, has_end: false };
    assert_eq!(write_snapshot(&heap, nothing), Err(expected));

    let mut half = Buffer { bytes: vec![], room: whole.bytes.len() / 2 };
    let Incomplete { lost, .. } = write_snapshot(&heap, &mut half).unwrap_err();
    let reader = Reader::new(half.bytes.as_slice()).unwrap().partial(true);
    assert_eq!(reader.map(Result::unwrap).count() as u64 + lost, chunks);
}

/// The heap is not locked while the sink is called.
#[cfg(all(feature = "system", any(unix, windows)))]
#[test]
fn a_locked_heap_is_written_to_a_sink_that_allocates_from_it() {
    use std::alloc::GlobalAlloc;
    use talloc_global::{SharedHeap, SystemTallock};

    struct Allocating<'a>(&'a SystemTallock, Buffer);
    impl Sink for Allocating<'_> {
        fn write(&mut self, bytes: &[u8]) -> bool {
            let layout = Layout::new::<[u8; 100]>();
            // SAFETY: The block is freed once, with its layout.
            unsafe { self.0.dealloc(self.0.alloc(layout), layout) };
            self.1.write(bytes)
        }
    }

    let heap = SystemTallock::new();
    let layout = Layout::from_size_align(50_000, 8).unwrap();
    // SAFETY: Each block is freed once, with its layout. The remaining blocks are leaked with the heap.
    unsafe {
        let blocks: Vec<_> = (0..5000).map(|_| heap.alloc(layout)).collect();
        blocks.iter().step_by(2).for_each(|block| heap.dealloc(*block, layout));
    }
    let (map, counted) = (heap.heap_map().unwrap(), heap.statistics());
    let holes = map.free_chunks().count();
    assert!(holes > 2400, "{holes} holes: {counted}");
    let free: usize = map.free_chunks().map(|chunk| chunk.span.size()).sum();
    assert_eq!(free, counted.free_bytes);
    let mut sink = Allocating(&heap, Buffer { bytes: vec![], room: usize::MAX });
    map.write_snapshot(&mut sink).unwrap();
    let snapshot = Snapshot::read(Reader::new(sink.1.bytes.as_slice()).unwrap()).unwrap();
    assert_eq!(
        snapshot.chunks.iter().map(|chunk| chunk.size).sum::<u64>(),
        counted.arena_bytes as u64
    );
}
