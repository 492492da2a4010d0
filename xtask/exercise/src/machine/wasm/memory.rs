//! Tests how the module's memory grows, with heaps of several parameters.
//!
//! The module has several heaps. Each must cope with the others growing the memory.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};

use talloc_exercise::Plan;
use talloc_exercise::walk::Walk;
use talloc_global::config::{Checked, Compact, OneArena, RealTime, Uncached};
use talloc_global::inspect::{Chunk, ChunkKind, SizeClasses};
use talloc_global::source::{WasmDefault, WasmParameters, WasmSmall, WasmSource};
use talloc_global::{Span, WasmTalloc};

const PAGE: usize = 64 << 10;

/// The size that a block grows to, in bytes.
const LARGE: usize = 8 << 20;

/// Steps per walk.
const STEPS: usize = 3000;

/// Runs all checks. Returns the final size of the memory in pages.
pub fn check_memory(plan: &Plan) -> usize {
    rest();
    walk::<WasmDefault>(plan);
    walk::<WasmSmall>(plan);
    walk::<Checked>(plan);
    growing::<WasmDefault>(&const { WasmTalloc::with_config() });
    growing::<Compact>(&const { WasmTalloc::with_config() });
    growing::<RealTime>(&const { WasmTalloc::with_config() });
    growing::<WasmSmall>(&const { WasmTalloc::with_config() });
    others::<WasmDefault>(1);
    others::<WasmSmall>(1);
    others::<Compact>(30);
    refused::<WasmDefault>();
    refused::<WasmSmall>();
    refused::<Compact>();
    refused::<Single>();
    single();
    memory_size::<0>()
}

/// Random operations while other code grows the memory, too. Inspects the heap repeatedly.
fn walk<P: WasmParameters>(plan: &Plan) {
    let heap = WasmTalloc::<P>::with_config();
    let mut walk = Walk::<40>::new(plan, 2);
    for _ in 0..8 {
        walk.steps(&mut &heap, STEPS / 8);
        memory_grow::<0>(1);
        look(&heap);
    }
    walk.finish(&mut &heap);
    heap.flush();
    let report = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.used_bytes == 0 && walk.counts().refused == 0, "{report:?}");
}

/// The list of free chunks, the counts by size and the size of the largest free chunk agree.
fn look<P: WasmParameters>(heap: &WasmTalloc<P>) {
    const ROOM: usize = 1000;
    let mut room = [Chunk { kind: ChunkKind::Own, span: Span::empty() }; ROOM];
    let count = heap.free_chunks(&mut room);
    assert!(count < ROOM, "{count} free chunks");
    let listed: SizeClasses = room[..count].iter().copied().collect();
    let (listed, counted) = (listed.total(), heap.size_classes().total());
    assert!(listed.free_chunks == counted.free_chunks && listed.free_bytes == counted.free_bytes);
    let free = heap.free_bytes();
    assert!(listed.free_bytes + listed.cached_bytes == free, "{listed:?}, and {free} bytes");
    let is_free = |chunk: &&Chunk| chunk.kind != ChunkKind::Cached;
    let largest = room[..count].iter().filter(is_free).map(|chunk| chunk.span.size()).max();
    assert!(Some(heap.largest_free_bytes()) == largest);
    let count = heap.memory_map(&mut room).min(ROOM);
    let own = room[..count].iter().filter(|chunk| chunk.kind == ChunkKind::Own).count();
    assert!(own > 0, "the heap's own memory is not in its map");
}

/// The first block is placed in the rest of the module's initial memory.
fn rest() {
    let end = memory_size::<0>() * PAGE;
    // SAFETY: Nothing else in the module uses that memory.
    let heap: WasmTalloc = WasmTalloc::with_source(unsafe { WasmSource::with_rest() });
    let mut block = Block::new(&heap, 16);
    assert!(block.start.addr() < end && memory_size::<0>() * PAGE == end);
    block.grow(&heap, PAGE);
    block.free(&heap);
    // Other code has already grown the memory, so there may be a second arena.
    verify(&heap, 2);
}

/// A block that doubles in size stays in place, and takes little more memory than its size. Fresh memory is zero.
fn growing<P: WasmParameters>(heap: &WasmTalloc<P>) {
    let before = memory_size::<0>();
    let mut block = Block::new(heap, 64);
    block.grow(heap, PAGE);
    let start = block.start;
    while block.size < LARGE {
        block.grow(heap, 2 * block.size);
        verify(heap, 1);
    }
    assert!(block.start == start, "the block has moved");
    let grown = (memory_size::<0>() - before) * PAGE;
    assert!(grown < LARGE + LARGE / 4, "{grown} bytes for a block of {LARGE}");

    let zeros = Layout::from_size_align(LARGE, 8).expect("it is small");
    // SAFETY: The size is not zero. All accesses are in the block, and it is freed with its layout.
    unsafe {
        let start = heap.alloc_zeroed(zeros);
        assert!((0..LARGE).all(|at| start.add(at).read() == 0));
        heap.dealloc(start, zeros);
    }
    block.free(heap);
    verify(heap, 1);
    // All memory is free, so a block half as large again needs no more.
    let all = memory_size::<0>();
    Block::new(heap, LARGE + LARGE / 2).free(heap);
    assert!(memory_size::<0>() == all, "memory has been lost");
}

/// The number of arenas is bounded, however often other code grows the memory.
fn others<P: WasmParameters>(arenas: usize) {
    const SIZE: usize = 100_000;
    const COUNT: usize = 64;
    let heap = WasmTalloc::<P>::with_config();
    let mut blocks = [const { None }; COUNT];
    for block in &mut blocks {
        *block = Some(Block::new(&heap, SIZE));
        memory_grow::<0>(1);
    }
    verify(&heap, arenas);
    // Freed memory can be allocated again.
    for block in blocks.iter_mut().step_by(2) {
        block.take().expect("it is not freed yet").free(&heap);
    }
    let pages = memory_size::<0>();
    for block in blocks.iter_mut().step_by(2) {
        *block = Some(Block::new(&heap, SIZE));
    }
    assert!(memory_size::<0>() == pages, "memory has been lost");
    for block in blocks.into_iter().flatten() {
        block.free(&heap);
    }
    verify(&heap, arenas);
}

/// A request that exceeds the address space fails, and leaves the memory as it was.
fn refused<P: WasmParameters>() {
    const IMPOSSIBLE: usize = isize::MAX as usize - 7;
    let heap = WasmTalloc::<P>::with_config();
    let block = Block::new(&heap, 64);
    memory_grow::<0>(1);
    // The address space has room for at most one block of this size.
    // SAFETY: The size is not zero.
    let large = unsafe { heap.alloc(Block::layout(IMPOSSIBLE)) };
    let pages = memory_size::<0>();
    for _ in 0..100 {
        // SAFETY: The size is not zero.
        assert!(unsafe { heap.alloc(Block::layout(IMPOSSIBLE)) }.is_null());
        assert!(memory_size::<0>() == pages, "a request that was refused has made the memory grow");
    }
    if !large.is_null() {
        // SAFETY: The block was allocated with this layout, and is not used any more.
        unsafe { heap.dealloc(large, Block::layout(IMPOSSIBLE)) };
    }
    block.free(&heap);
    verify(&heap, 2);
}

/// Parameters for a single arena.
type Single = OneArena<Uncached>;

/// A heap with a single arena does not grow the memory after other code has.
fn single() {
    let heap = WasmTalloc::<Single>::with_config();
    let block = Block::new(&heap, 64);
    memory_grow::<0>(1);
    let pages = memory_size::<0>();
    for _ in 0..100 {
        // SAFETY: The size is not zero.
        assert!(unsafe { heap.alloc(Block::layout(LARGE)) }.is_null());
    }
    assert!(memory_size::<0>() == pages, "a request that was refused has made the memory grow");
    block.free(&heap);
    verify(&heap, 1);
}

/// Checks the heap, and that it has at most `arenas` arenas.
fn verify<P: WasmParameters>(heap: &WasmTalloc<P>, arenas: usize) {
    let report = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.arenas <= arenas, "more than {arenas} arenas: {report:?}");
}

/// A block with a pattern at every 512th byte.
struct Block {
    start: *mut u8,
    size: usize,
}

impl Block {
    fn new<P: WasmParameters>(heap: &WasmTalloc<P>, size: usize) -> Self {
        // SAFETY: The size is not zero.
        let start = unsafe { heap.alloc(Self::layout(size)) };
        assert!(!start.is_null(), "{size} bytes are refused");
        let block = Self { start, size };
        block.sign(0);
        block
    }

    fn grow<P: WasmParameters>(&mut self, heap: &WasmTalloc<P>, size: usize) {
        let old = self.size;
        // SAFETY: The block was allocated with this layout, and the new size is not zero.
        let start = unsafe { heap.realloc(self.start, Self::layout(old), size) };
        assert!(!start.is_null(), "{size} bytes are refused");
        *self = Self { start, size };
        self.check(old);
        self.sign(old);
    }

    fn free<P: WasmParameters>(self, heap: &WasmTalloc<P>) {
        self.check(self.size);
        // SAFETY: The block was allocated with this layout, and is not used any more.
        unsafe { heap.dealloc(self.start, Self::layout(self.size)) };
    }

    /// Writes the pattern from byte `from` on.
    fn sign(&self, from: usize) {
        for at in (from.next_multiple_of(512)..self.size).step_by(512) {
            // SAFETY: `at` is less than the size of the block.
            unsafe { self.start.add(at).write((at / 512) as u8) };
        }
    }

    /// Checks the pattern up to byte `end`.
    fn check(&self, end: usize) {
        for at in (0..end).step_by(512) {
            // SAFETY: `end` is at most the size of the block, and `sign` has initialised these bytes.
            assert!(
                unsafe { self.start.add(at).read() } == (at / 512) as u8,
                "byte {at} has changed"
            );
        }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).expect("it is small")
    }
}
