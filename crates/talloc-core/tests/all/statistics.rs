//! Statistics, and counts by size.

use core::alloc::Layout;
use core::ptr::NonNull;

use talloc_core::{
    Checked, Chunk, ChunkKind, Compact, Config, Level, Memory, Micro, OwnedTalloc, RealTime,
    SizeClasses, Span, Statistics, Talloc,
};

const BYTES: usize = 64 << 10;

fn heap<C: Config>(memory: &mut [u8]) -> OwnedTalloc<C> {
    let mut heap = Talloc::<C>::with_config();
    // SAFETY: The caller keeps the memory as long as the heap.
    unsafe { heap.claim(Span::from(memory)) }.unwrap();
    heap
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).unwrap()
}

fn malloc<C: Config>(heap: &mut OwnedTalloc<C>, bytes: usize) -> NonNull<u8> {
    // SAFETY: `malloc` has no preconditions.
    unsafe { heap.malloc(layout(bytes)) }.unwrap()
}

fn free<C: Config>(heap: &mut OwnedTalloc<C>, block: NonNull<u8>, bytes: usize) {
    // SAFETY: The block was allocated with this layout, and is not used any more.
    unsafe { heap.free(block, layout(bytes)) };
}

fn counts_what_is_there<C: Config>() {
    let mut memory = vec![0; BYTES];
    let mut heap = heap::<C>(&mut memory);
    let mut random = fastrand::Rng::with_seed(20);
    let (mut blocks, mut peak, mut refused) = (Vec::new(), 0, 0);
    for _ in 0..2000 {
        let bytes = random.usize(1..1500);
        // SAFETY: `malloc` has no preconditions.
        match unsafe { heap.malloc(layout(bytes)) } {
            Ok(block) if random.bool() => blocks.push((block, bytes)),
            Ok(block) => free(&mut heap, block, bytes),
            Err(_) => refused += 1,
        }
        if !blocks.is_empty() && random.u8(..100) < 30 {
            let (block, bytes) = blocks.swap_remove(random.usize(..blocks.len()));
            free(&mut heap, block, bytes);
        }
        let report = heap.verify().unwrap();
        peak = peak.max(report.used_bytes);
        let counted = heap.inspect().statistics();
        assert_eq!(counted.used_bytes, report.used_bytes);
        assert_eq!(counted.free_bytes, report.free_bytes);
        assert_eq!(
            (heap.inspect().used_bytes(), heap.inspect().free_bytes()),
            (report.used_bytes, report.free_bytes)
        );
        assert_eq!(counted.cached_bytes, report.cached_bytes);
        assert_eq!(counted.overhead_bytes, report.overhead_bytes);
        assert_eq!((counted.heaps, counted.arenas), (1, 1));
        assert_eq!(counted.refused_requests, refused);
        assert!(counted.peak_bytes >= peak && counted.peak_bytes == heap.inspect().peak_bytes());
        assert!(counted.touched_bytes >= counted.used_bytes);
        assert!(counted.touched_bytes <= counted.arena_bytes);
        assert_eq!(heap.inspect().largest_free_bytes(), report.largest_free_bytes);
        let total = heap.inspect().size_classes().total();
        assert_eq!(total.free_chunks, report.free_chunks);
        assert_eq!(total.free_bytes + total.cached_bytes, report.free_bytes);
        assert_eq!(total.cached_blocks, report.cached_blocks);
        assert_eq!(total.used_blocks, report.used_blocks.unwrap_or(0));
        maps_what_is_counted(&heap, &counted);
    }
    assert!(refused > 0, "no request has failed");
}

#[test]
fn statistics_agree_with_verify() {
    counts_what_is_there::<Compact>();
    counts_what_is_there::<RealTime>();
    counts_what_is_there::<Micro>();
    counts_what_is_there::<Checked>();
}

/// Expects the chunks to cover the only arena, and their sizes to match the counts.
fn maps_what_is_counted<C: Config>(heap: &Talloc<C>, counted: &Statistics) {
    let map: Vec<Chunk> = heap.inspect().memory_map().collect();
    let bytes = |kind| -> usize {
        map.iter().filter(|chunk| chunk.kind == kind).map(|chunk| chunk.span.size()).sum()
    };
    let cached = bytes(ChunkKind::Cached);
    assert_eq!(cached, counted.cached_bytes);
    assert_eq!(bytes(ChunkKind::Top), counted.top_bytes);
    assert_eq!(bytes(ChunkKind::Free) + bytes(ChunkKind::Top) + cached, counted.free_bytes);
    let (listed, covering): (Vec<Chunk>, Vec<Chunk>) = match C::CHECKED {
        true => (vec![], map.clone()),
        false => map.iter().partition(|chunk| chunk.kind == ChunkKind::Cached),
    };
    if C::CHECKED {
        assert_eq!(bytes(ChunkKind::Used), counted.used_bytes);
    } else {
        assert_eq!(bytes(ChunkKind::Blocks), counted.used_bytes + cached);
    }
    for pair in covering.windows(2) {
        assert_eq!(pair[0].span.acme(), pair[1].span.base(), "{pair:?}");
        assert!(pair[0].kind != ChunkKind::Blocks || pair[1].kind != ChunkKind::Blocks, "{pair:?}");
    }
    for block in listed {
        let around = covering.iter().find(|chunk| chunk.span.contains_span(block.span));
        assert_eq!(around.map(|chunk| chunk.kind), Some(ChunkKind::Blocks), "{block}");
    }
}

#[test]
fn a_map_shows_the_own_chunk_between_blocks() {
    // The bounds of the arena at first and at last.
    for (first, last) in [(20_000..30_000, 0..50_000), (0..30_000, 0..50_000)] {
        let mut memory = vec![0; 50_000];
        let whole = Span::from(&mut *memory);
        let part =
            |range: std::ops::Range<usize>| whole.truncate(range.start, whole.size() - range.end);
        let mut heap = Talloc::<RealTime>::with_config();
        // SAFETY: The memory outlives the heap.
        unsafe {
            heap.claim(part(first.clone())).unwrap();
            malloc(&mut heap, 5000);
            heap.arena(part(first))
                .and_then(|mut arena| arena.extend(part(last), Memory::empty()))
                .unwrap();
        }
        for bytes in [8000, 5000, 9000] {
            malloc(&mut heap, bytes);
        }
        let kinds: Vec<_> = heap.inspect().memory_map().map(|chunk| chunk.kind).collect();
        assert!(kinds.contains(&ChunkKind::Own) && kinds.contains(&ChunkKind::Blocks), "{kinds:?}");
        maps_what_is_counted(&heap, &heap.inspect().statistics());
    }
}

#[test]
fn free_chunks_come_in_order_with_the_top_and_cached_blocks() {
    let mut memory = vec![0; BYTES];
    let mut heap = heap::<Compact>(&mut memory);
    let sizes = [2000, 40, 3000, 40, 24];
    let blocks = sizes.map(|bytes| malloc(&mut heap, bytes));
    for number in [2, 0, 4] {
        free(&mut heap, blocks[number], sizes[number]);
    }
    let found: Vec<_> =
        heap.inspect().free_chunks().map(|chunk| (chunk.kind, chunk.span.size())).collect();
    let top = heap.inspect().statistics().top_bytes;
    let cached = found.iter().filter(|(kind, _)| *kind == ChunkKind::Cached).count();
    assert!(cached > 0 && found.contains(&(ChunkKind::Cached, 24)));
    let rest: Vec<_> = found.into_iter().filter(|(kind, _)| *kind != ChunkKind::Cached).collect();
    // A run of small blocks is carved at once, and the rest of the run is cached.
    assert_eq!(rest[0], (ChunkKind::Free, 2000));
    assert_eq!(rest[1], (ChunkKind::Free, 3000));
    assert_eq!(rest.last(), Some(&(ChunkKind::Top, top)));
}

#[test]
fn several_arenas_are_one_heap() {
    let mut memory = vec![0; 3 * BYTES];
    let (first, rest) = memory.split_at_mut(BYTES);
    let (_gap, second) = rest.split_at_mut(BYTES);
    let mut heap = heap::<RealTime>(first);
    // SAFETY: The memory outlives the heap.
    unsafe { heap.claim(Span::from(second)) }.unwrap();
    let counted = heap.inspect().statistics();
    assert_eq!((counted.arenas, counted.arena_bytes), (2, 2 * BYTES));
    assert_eq!(counted.used_bytes + counted.free_bytes + counted.overhead_bytes, 2 * BYTES);
    assert_eq!(heap.inspect().free_chunks().count(), 2);
    assert!(heap.inspect().largest_free_bytes() < BYTES);
    assert_eq!(heap.inspect().size_classes().total().free_bytes, heap.inspect().free_bytes());
}

#[test]
fn free_memory_beside_the_largest_chunk_is_fragmentation() {
    let mut memory = vec![0; 2 * BYTES];
    let (first, second) = memory.split_at_mut(BYTES);
    let mut heaps = [heap::<RealTime>(first), heap::<RealTime>(second)];
    let classes = |heap: &OwnedTalloc<RealTime>| heap.inspect().size_classes();
    assert_eq!(classes(&heaps[0]).external_fragmentation(), 0);

    // The heap has a hole of 8000 bytes and one of 16,000.
    let blocks = [8000, 1000, 16_000, 1000].map(|size| (malloc(&mut heaps[0], size), size));
    let rest = heaps[0].inspect().largest_free_bytes();
    malloc(&mut heaps[0], rest);
    assert_eq!(heaps[0].inspect().free_bytes(), 0);
    assert_eq!(classes(&heaps[0]).external_fragmentation(), 0);
    for (block, size) in blocks.into_iter().step_by(2) {
        free(&mut heaps[0], block, size);
    }
    let holes = classes(&heaps[0]);
    assert_eq!((holes.largest_free_bytes(), holes.external_fragmentation()), (16_000, 333));

    // For two heaps, the largest chunk of both counts.
    let both = holes.with(&classes(&heaps[1]));
    let top = heaps[1].inspect().largest_free_bytes();
    assert_eq!(both.largest_free_bytes(), top);
    assert_eq!(both.external_fragmentation(), (24_000_000 / (24_000 + top)) as u32);
    assert_eq!(SizeClasses::EMPTY.external_fragmentation(), 0);
}

#[test]
fn a_heap_without_memory_has_empty_statistics() {
    let heap = Talloc::new();
    let counted = heap.inspect().statistics();
    assert_eq!(counted.with(Statistics::default()).heaps, 1);
    assert_eq!((counted.arena_bytes, heap.inspect().largest_free_bytes()), (0, 0));
    assert_eq!(heap.inspect().size_classes(), SizeClasses::EMPTY);
    assert_eq!(heap.inspect().free_chunks().count(), 0);
}

#[test]
fn tables_are_printed() {
    let mut memory = vec![0; BYTES];
    let mut heap = heap::<Checked<RealTime>>(&mut memory);
    let block = malloc(&mut heap, 4000);
    malloc(&mut heap, 100);
    free(&mut heap, block, 4000);
    // SAFETY: `malloc` has no preconditions.
    assert!(unsafe { heap.malloc(layout(BYTES)) }.is_err());
    let table = heap.inspect().statistics().to_string();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("heap                   bytes"));
    assert_eq!(lines.next(), Some("used                     104   104 B"));
    assert_eq!(lines.next(), Some("peak                    4104   4.0 KiB"));
    assert_eq!(lines.next().map(|line| line.starts_with("free ")), Some(true));
    assert!(table.contains("\narenas                 65536   64.0 KiB, in 1\n"), "{table}");
    assert!(table.contains("\nmapped                     0   0 B, in 0 blocks\n"), "{table}");
    assert!(table.ends_with("\nrefused                    1   requests"), "{table}");

    let mut two = heap.inspect().statistics().with(heap.inspect().statistics());
    two.unseen_heaps = 3;
    assert!(two.to_string().ends_with("\nheaps                      2, 3 more could not be read"));

    let classes = heap.inspect().size_classes().to_string();
    let lines: Vec<_> = classes.lines().map(|line| line.split_whitespace().collect()).collect();
    let lines: Vec<Vec<&str>> = lines;
    assert_eq!(lines[0], ["size", "from", "free", "cached", "used"]);
    assert_eq!(lines[1], ["64", "0", "0", "0", "0", "1", "104"]);
    assert_eq!(lines[2], ["2048", "1", "4000", "0", "0", "0", "0"]);
    let counted = heap.inspect().size_classes();
    let (largest, share) = (counted.largest_free_bytes(), counted.external_fragmentation());
    let last = format!(
        "largest free chunk{largest:>11}, external fragmentation {}.{} %",
        share / 10,
        share % 10
    );
    assert_eq!(classes.lines().last(), Some(last.as_str()));
}

#[cfg(feature = "serde")]
#[test]
fn statistics_are_serialised() {
    let mut memory = vec![0; BYTES];
    let mut heap = heap::<Checked>(&mut memory);
    malloc(&mut heap, 100);
    let counted = heap.inspect().statistics();
    let json = serde_json::to_value(counted).unwrap();
    assert_eq!(json["used_bytes"], 104);
    assert_eq!(json["purged_bytes"], 0);
    assert_eq!(json.as_object().unwrap().len(), 15);
    let classes = serde_json::to_value(heap.inspect().size_classes()).unwrap();
    assert_eq!(classes[0]["min_size"], 64);
    assert_eq!(classes[0]["used_blocks"], 1);

    // This works without an allocator, as on a microcontroller.
    let mut buffer = [0; 128];
    let bytes = postcard::to_slice(&counted, &mut buffer).unwrap();
    let (heaps, rest): (usize, _) = postcard::take_from_bytes(bytes).unwrap();
    let (unseen, rest): (usize, _) = postcard::take_from_bytes(rest).unwrap();
    let (used, _): (usize, _) = postcard::take_from_bytes(rest).unwrap();
    assert_eq!((heaps, unseen, used), (1, 0, 104));
    let mut buffer = [0; 512];
    assert!(postcard::to_slice(&heap.inspect().size_classes(), &mut buffer).is_ok());
}

/// Safe code can pass chunks of any sizes.
#[test]
fn sums_of_any_chunks_do_not_overflow() {
    let chunk = Chunk { kind: ChunkKind::Free, span: Span::from_base_size(8, usize::MAX - 15) };
    let classes: SizeClasses = [chunk; 3].into_iter().collect();
    assert_eq!((classes.total().free_chunks, classes.total().free_bytes), (3, usize::MAX));
    let both = classes.with(&classes);
    assert_eq!((both.total().free_chunks, both.total().free_bytes), (6, usize::MAX));
    assert!(both.external_fragmentation() < 1000);
}
