//! Walking a heap chunk by chunk.

use talloc_core::{Checked, Chunk, ChunkKind, Compact, Config, Micro, RealTime, Span, Talloc};

use crate::checked::program::Program;
use crate::common::{layout, memory, part};

/// Expects the chunks to be the program's blocks and to leave no gap.
fn expect_chunks<C: Config>(program: &Program<C>) {
    let chunks: Vec<Chunk> = program.heap.inspect().chunks().collect();
    let bytes = |kind: fn(ChunkKind) -> bool| -> usize {
        chunks.iter().filter(|chunk| kind(chunk.kind)).map(|chunk| chunk.span.size()).sum()
    };
    let report = program.heap.verify().unwrap();
    assert_eq!(bytes(|kind| kind == ChunkKind::Used), report.used_bytes);
    assert_eq!(bytes(|kind| kind == ChunkKind::Cached), report.cached_bytes);
    assert_eq!(bytes(|kind| kind == ChunkKind::Top), report.top_bytes);
    assert_eq!(bytes(ChunkKind::is_free), report.free_bytes);
    assert_eq!(bytes(|kind| kind == ChunkKind::Own), report.overhead_bytes);
    for pair in chunks.windows(2) {
        let (end, start) = (pair[0].span.acme(), pair[1].span.base());
        let arena_ends = program.arenas.iter().any(|arena| arena.acme() == end);
        assert!(end == start || arena_ends && end < start, "{pair:?}");
        let uncoalesced = [ChunkKind::Free, ChunkKind::Top];
        let free = pair.iter().all(|chunk| uncoalesced.contains(&chunk.kind));
        assert!(!free || end != start, "{pair:?}");
    }
    let mut used: Vec<usize> = program.blocks.iter().map(|block| block.ptr.addr().get()).collect();
    used.sort_unstable();
    let leaks = program.heap.inspect().leaks();
    assert!(leaks.blocks().map(|block| block.base().unwrap()).eq(used));
}

fn chunks_are_what_is_allocated<C: Config>(arenas: usize) {
    let mut program = Program::<C>::new(arenas, 3);
    for step in 0..if cfg!(miri) { 200 } else { 5000 } {
        program.step();
        if step % 16 == 0 {
            expect_chunks(&program);
        }
    }
    program.finish();
}

#[test]
fn chunks_are_what_is_allocated_in_any_heap() {
    chunks_are_what_is_allocated::<Compact>(1);
    chunks_are_what_is_allocated::<Compact>(3);
    chunks_are_what_is_allocated::<RealTime>(1);
    chunks_are_what_is_allocated::<Micro>(2);
}

#[test]
fn an_empty_heap_has_no_chunks() {
    let mut heap = Talloc::<Checked>::with_config();
    assert_eq!(heap.inspect().chunks().next(), None);
    assert_eq!(heap.inspect().leaks().to_string(), "nothing is allocated");
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.init(memory(64).truncate(0, 60)) };
    assert_eq!(heap.inspect().chunks().next(), None);
}

#[test]
fn arenas_come_in_the_order_of_addresses() {
    let memory = memory(60 << 10);
    let spans = [2, 0, 1].map(|at| part(memory, at * (20 << 10), 20 << 10));
    let mut heap = Talloc::<Checked>::with_config();
    for span in spans {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(span) }.unwrap();
    }
    let chunks: Vec<_> = heap.inspect().chunks().collect();
    let kinds: Vec<_> = chunks.iter().map(|chunk| chunk.kind).collect();
    assert_eq!(kinds, [ChunkKind::Own, ChunkKind::Top].repeat(3));
    let spans: Vec<Span> =
        chunks.chunks(2).map(|pair| pair[0].span.fit_over(pair[1].span)).collect();
    assert_eq!(spans, [0, 1, 2].map(|at| part(memory, at * (20 << 10), 20 << 10)));
}

#[test]
fn a_leak_report_is_cut_short_unless_all_is_wanted() {
    let mut heap = Talloc::<Checked>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.init(memory(16 << 10)) };
    let mut blocks = Vec::new();
    for _ in 0..25 {
        // SAFETY: `malloc` has no preconditions.
        blocks.push(unsafe { heap.malloc(layout(24, 8)) }.unwrap());
    }
    let report = heap.inspect().leaks().to_string();
    assert!(report.starts_with("25 blocks of 600 bytes in all are allocated:\n"), "{report}");
    assert!(report.ends_with(" 24 bytes\n... and 5 more"), "{report}");
    assert_eq!(report.lines().count(), 22);
    let all = format!("{:#}", heap.inspect().leaks());
    assert_eq!(all.lines().count(), 26);
    for block in &blocks {
        assert!(all.contains(&format!("\n{:#x} 24 bytes", block.addr())));
    }
    for block in blocks.drain(1..) {
        // SAFETY: Each block is freed once.
        unsafe { heap.free(block, layout(24, 8)) };
    }
    let report = heap.inspect().leaks().to_string();
    let expected = format!("1 block of 24 bytes is allocated:\n{:#x} 24 bytes", blocks[0].addr());
    assert_eq!(report, expected);
    let span = heap.inspect().leaks().blocks().next().unwrap();
    assert_eq!(format!("{:?}", heap.inspect().leaks()), format!("[{span:?}]"));
    let first = heap.inspect().chunks().find(|chunk| chunk.kind == ChunkKind::Used).unwrap();
    assert_eq!(first.to_string(), format!("{:#x} 24 bytes used", blocks[0].addr()));
}
