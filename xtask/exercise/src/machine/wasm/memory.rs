//! How the module's memory grows under heaps of several parameters.
//!
//! There are several heaps in the module, so that to each of them, others are those who make the memory
//! grow meanwhile.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};

use talloc_global::{Compact, Config, RealTime, WasmSmall, WasmSource, WasmTalloc};

const PAGE: usize = 64 << 10;

/// Bytes that a block grows to.
const LARGE: usize = 8 << 20;

/// Checks it all. Returns how many pages the memory has in the end.
pub fn check_memory() -> usize {
    rest();
    growing::<Compact>(&const { WasmTalloc::configured() });
    growing::<RealTime>(&const { WasmTalloc::configured() });
    growing::<WasmSmall>(&const { WasmTalloc::configured() });
    others();
    refused();
    memory_size::<0>()
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
fn growing<C: Config>(heap: &WasmTalloc<C>) {
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

/// When somebody else has made the memory grow, there are further arenas, or, if there may be one only,
/// an allocation fails.
fn others() {
    let several: WasmTalloc = WasmTalloc::new();
    let single: WasmTalloc<WasmSmall> = WasmTalloc::configured();
    let mut first = Block::new(&several, LARGE);
    let only = Block::new(&single, LARGE);
    let mut second = Block::new(&several, LARGE);
    let arenas = several.verify().map(|report| report.arenas);
    assert!(arenas == Ok(2), "{arenas:?} arenas");
    let layout = Layout::from_size_align(LARGE, 8).expect("it is small");
    // SAFETY: The size is not zero.
    assert!(unsafe { single.alloc(layout) }.is_null());
    verify(&single, 1);
    first.grow(&several, 2 * LARGE);
    second.grow(&several, 2 * LARGE);
    memory_grow::<0>(1);
    first.free(&several);
    second.free(&several);
    only.free(&single);
    verify(&several, usize::MAX);
}

/// What the memory cannot have is refused, after a few tries.
fn refused() {
    let heap: WasmTalloc = WasmTalloc::new();
    let block = Block::new(&heap, 64);
    let layout =
        Layout::from_size_align(2_usize.pow(31) - 8, 8).expect("it is no more than may be");
    // SAFETY: The size is not zero, and a block is freed as it was allocated.
    unsafe {
        let start = heap.alloc(layout);
        // Two of that size are more than there are addresses.
        assert!(start.is_null() || heap.alloc(layout).is_null());
        verify(&heap, 2);
        if !start.is_null() {
            heap.dealloc(start, layout);
        }
    }
    block.free(&heap);
    verify(&heap, 2);
}

/// Checks the heap, which may have so many arenas.
fn verify<C: Config>(heap: &WasmTalloc<C>, arenas: usize) {
    let report = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.arenas <= arenas, "more than {arenas} arenas: {report:?}");
}

/// A block whose every 512th byte tells where it is.
struct Block {
    start: *mut u8,
    size: usize,
}

impl Block {
    fn new<C: Config>(heap: &WasmTalloc<C>, size: usize) -> Self {
        // SAFETY: The size is not zero.
        let start = unsafe { heap.alloc(Self::layout(size)) };
        assert!(!start.is_null(), "{size} bytes are refused");
        let block = Self { start, size };
        block.sign(0);
        block
    }

    fn grow<C: Config>(&mut self, heap: &WasmTalloc<C>, size: usize) {
        let old = self.size;
        // SAFETY: It is a block of that size.
        let start = unsafe { heap.realloc(self.start, Self::layout(old), size) };
        assert!(!start.is_null(), "{size} bytes are refused");
        *self = Self { start, size };
        self.check(old);
        self.sign(old);
    }

    fn free<C: Config>(self, heap: &WasmTalloc<C>) {
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
