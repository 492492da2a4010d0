//! How the module's memory grows under heaps of several parameters.
//!
//! There are several heaps in the module, so that to each of them, others are those who make the memory
//! grow meanwhile.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};

use talloc_exercise::Plan;
use talloc_exercise::walk::Walk;
use talloc_global::config::{Checked, Compact, OneArena, RealTime, Uncached};
use talloc_global::inspect::{Chunk, ChunkKind, SizeClasses};
use talloc_global::source::{WasmDefault, WasmParameters, WasmSmall, WasmSource};
use talloc_global::{Span, WasmTalloc};

const PAGE: usize = 64 << 10;

/// Bytes that a block grows to.
const LARGE: usize = 8 << 20;

/// Steps of a walk.
const STEPS: usize = 3000;

/// Checks it all. Returns how many pages the memory has in the end.
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

/// Random calls, each followed by a look at all there is, while somebody else makes the memory grow, too.
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

/// What is free is listed, counted by size, and told by its largest piece.
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

/// The first block lies in what the module's initial memory has left.
fn rest() {
    let end = memory_size::<0>() * PAGE;
    // SAFETY: Nothing else in the module uses that memory.
    let heap: WasmTalloc = WasmTalloc::with_source(unsafe { WasmSource::with_rest() });
    let mut block = Block::new(&heap, 16);
    assert!(block.start.addr() < end && memory_size::<0>() * PAGE == end);
    block.grow(&heap, PAGE);
    block.free(&heap);
    // The program has made the memory grow before.
    verify(&heap, 2);
}

/// A block that doubles stays where it is, and needs little more memory than it has; what is fresh is
/// zero.
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
    // SAFETY: The size is not zero; the block has as many bytes, and is freed as it was allocated.
    unsafe {
        let start = heap.alloc_zeroed(zeros);
        assert!((0..LARGE).all(|at| start.add(at).read() == 0));
        heap.dealloc(start, zeros);
    }
    block.free(heap);
    verify(heap, 1);
    // All is free, so that half as much again needs no more memory.
    let all = memory_size::<0>();
    Block::new(heap, LARGE + LARGE / 2).free(heap);
    assert!(memory_size::<0>() == all, "memory has been lost");
}

/// However often somebody else makes the memory grow, there are no more arenas than this.
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
    // What is freed can be had again.
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

/// What the memory cannot have is refused, and the memory is as it was.
fn refused<P: WasmParameters>() {
    const IMPOSSIBLE: usize = isize::MAX as usize - 7;
    let heap = WasmTalloc::<P>::with_config();
    let block = Block::new(&heap, 64);
    memory_grow::<0>(1);
    // There are addresses for one of that size at the most.
    // SAFETY: The size is not zero.
    let large = unsafe { heap.alloc(Block::layout(IMPOSSIBLE)) };
    let pages = memory_size::<0>();
    for _ in 0..100 {
        // SAFETY: As above.
        assert!(unsafe { heap.alloc(Block::layout(IMPOSSIBLE)) }.is_null());
        assert!(memory_size::<0>() == pages, "a request that was refused has made the memory grow");
    }
    if !large.is_null() {
        // SAFETY: It was allocated with this layout.
        unsafe { heap.dealloc(large, Block::layout(IMPOSSIBLE)) };
    }
    block.free(&heap);
    verify(&heap, 2);
}

/// Parameters for one arena, with a search before a request fails.
type Single = OneArena<Uncached>;

/// A heap of one arena asks for nothing once somebody else has made the memory grow.
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

/// Checks the heap, which may have so many arenas.
fn verify<P: WasmParameters>(heap: &WasmTalloc<P>, arenas: usize) {
    let report = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.arenas <= arenas, "more than {arenas} arenas: {report:?}");
}

/// A block whose every 512th byte tells where it is.
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
        // SAFETY: It is a block of that size.
        let start = unsafe { heap.realloc(self.start, Self::layout(old), size) };
        assert!(!start.is_null(), "{size} bytes are refused");
        *self = Self { start, size };
        self.check(old);
        self.sign(old);
    }

    fn free<P: WasmParameters>(self, heap: &WasmTalloc<P>) {
        self.check(self.size);
        // SAFETY: It is a block of that size, used no more.
        unsafe { heap.dealloc(self.start, Self::layout(self.size)) };
    }

    /// Writes to the block from the byte `from` on.
    fn sign(&self, from: usize) {
        for at in (from.next_multiple_of(512)..self.size).step_by(512) {
            // SAFETY: The block has as many bytes.
            unsafe { self.start.add(at).write((at / 512) as u8) };
        }
    }

    /// Checks the block up to the byte `end`.
    fn check(&self, end: usize) {
        for at in (0..end).step_by(512) {
            // SAFETY: The block has as many bytes, and they have been signed.
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
