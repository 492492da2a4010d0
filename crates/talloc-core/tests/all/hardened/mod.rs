//! Hardened heaps: the faults they detect, the reports, and the heap afterwards.

mod broken;
mod measures;
mod own;
mod repaired;

use std::ptr::NonNull;

use crate::common::found::{Note, found};
use crate::common::{layout, memory};
use fastrand::Rng;
use talloc_core::{
    Chunk, ChunkKind, Config, Fault, Harden, Measures, Misuse, OnMisuse, OwnedTalloc, Span, Talloc,
};

/// A handler that records reports and has the heap repaired.
struct Repairs;

impl OnMisuse for Repairs {
    const REPAIRS: bool = true;

    fn misuse(misuse: &Misuse) {
        Note::misuse(misuse);
    }
}

/// Declares sets of measures.
macro_rules! measures {
    ($($name:ident: $measures:expr;)*) => {$(
        struct $name;

        impl Harden for $name {
            const MEASURES: Measures = $measures;
        }
    )*};
}

measures! {
    Standard: Measures { delay: 0, ..Measures::STANDARD };
    Delays: Measures { delay: 1 << 10, fill: 64, ..Measures::NONE };
    Encoded: Measures { encode: true, ..Measures::NONE };
    Filled: Measures { fill: 128, ..Measures::NONE };
    Shuffled: Measures { shuffle: true, ..Measures::NONE };
    Tails: Measures { tails: true, ..Measures::NONE };
    Fresh: Measures { fresh: Some(0xce), ..Measures::NONE };
    Zeros: Measures { fresh: Some(0), ..Measures::NONE };
    Even: Measures { even: true, tails: true, slack: true, ..Measures::NONE };
    Patient: Measures { delay: 1 << 20, least_delay: 64 << 10, ..Measures::NONE };
    All: Measures::ALL;
}

fn heap<C: Config>(bytes: usize) -> OwnedTalloc<C> {
    heap_of(&[memory(bytes)])
}

/// Creates a heap with these arenas.
fn heap_of<C: Config>(arenas: &[Span]) -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    for arena in arenas {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(*arena) }.unwrap();
    }
    found();
    heap
}

fn malloc<C: Config>(heap: &mut Talloc<C>, size: usize) -> NonNull<u8> {
    // SAFETY: `malloc` has no preconditions.
    unsafe { heap.malloc(layout(size, 8)) }.unwrap()
}

fn free<C: Config>(heap: &mut Talloc<C>, block: NonNull<u8>, size: usize) {
    // SAFETY: The heap detects misuse before it changes anything.
    unsafe { heap.free(block, layout(size, 8)) }
}

/// Overwrites bytes of the heap's memory.
fn overwrite(block: NonNull<u8>, at: isize, bytes: &[u8]) {
    for (number, byte) in bytes.iter().enumerate() {
        // SAFETY: The tests pass only addresses in the memory of a heap.
        unsafe { block.offset(at + number as isize).write(*byte) };
    }
}

fn faults() -> Vec<Fault> {
    found().into_iter().map(|misuse| misuse.fault).collect()
}

/// Blocks and their sizes.
type Blocks = Vec<(NonNull<u8>, usize)>;

/// Creates a heap with free chunks between blocks.
fn holes<C: Config>() -> (OwnedTalloc<C>, Blocks, Vec<Span>) {
    holes_in(heap(1 << 15))
}

/// Fills most of 12 KiB with blocks and frees some.
fn holes_in<C: Config>(mut heap: OwnedTalloc<C>) -> (OwnedTalloc<C>, Blocks, Vec<Span>) {
    let sizes = [100, 200, 300, 40, 500, 60];
    let blocks: Vec<_> =
        (0..48).map(|n| sizes[n % 6]).map(|size| (malloc(&mut heap, size), size)).collect();
    let (kept, gone): (Vec<_>, Vec<_>) = (0..48).partition(|n| n % 2 == 0);
    for n in gone {
        free(&mut heap, blocks[n].0, blocks[n].1);
    }
    heap.flush();
    let is_free = |chunk: &Chunk| chunk.kind == ChunkKind::Free;
    let chunks = heap.inspect().free_chunks().filter(is_free).map(|chunk| chunk.span).collect();
    assert_eq!(faults(), []);
    let kept = kept.into_iter().map(|n| blocks[n]).collect();
    (heap, kept, chunks)
}

/// Uses an overwritten heap until it reports the fault. Until then, no two blocks overlap, and blocks keep their
/// contents.
fn use_up<C: Config>(heap: &mut Talloc<C>, mut blocks: Blocks, rng: &mut Rng) {
    let fill = |(block, size): (NonNull<u8>, usize), byte: usize| {
        // SAFETY: The block belongs to the test.
        unsafe { block.write_bytes(byte as u8, size) };
    };
    let mut contents: Vec<usize> = (0..blocks.len()).collect();
    let mut count = blocks.len();
    for (block, byte) in blocks.iter().zip(&contents) {
        fill(*block, *byte);
    }
    for _ in 0..200 {
        if rng.bool() && !blocks.is_empty() {
            let n = rng.usize(..blocks.len());
            let ((block, size), byte) = (blocks.swap_remove(n), contents.swap_remove(n));
            for at in 0..size {
                // SAFETY: The block belongs to the test.
                assert_eq!(unsafe { block.add(at).read() }, byte as u8, "the block was changed");
            }
            free(heap, block, size);
        } else {
            let size = rng.usize(1..600);
            // SAFETY: `malloc` has no preconditions.
            let Ok(block) = (unsafe { heap.malloc(layout(size, 8)) }) else { continue };
            let range = |(block, size): &(NonNull<u8>, usize)| {
                Span::from_base_size(block.addr().get(), *size)
            };
            let new = range(&(block, size));
            assert!(blocks.iter().all(|old| !range(old).overlaps(new)), "two blocks overlap");
            fill((block, size), count);
            blocks.push((block, size));
            contents.push(count);
            count += 1;
        }
    }
}

/// The number of heaps to overwrite. Miri is slow, so it runs fewer.
const SEEDS: u64 = if cfg!(miri) { 5 } else { 2000 };
