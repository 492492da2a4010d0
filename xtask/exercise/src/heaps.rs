//! Heaps with their own memory: arenas are added, extended, truncated and exhausted.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use talloc_global::config::Config;
use talloc_global::inspect::Report;
use talloc_global::{OwnedTalloc, Span, Talloc};

use crate::walk::{Counts, Walk};
use crate::{Fault, Plan};

/// The largest number of blocks of a walk.
const BLOCKS: usize = 40;

/// How often the first arena is truncated and extended again.
const ROUNDS: usize = 8;

/// Fills memory that the heap has given back.
const CANARY: u8 = 0xa5;

/// Tests a heap with these parameters in this memory.
pub fn check<C: Config>(memory: &mut [MaybeUninit<u8>], plan: &Plan) -> Counts {
    let memory = Span::from(memory);
    let middle = memory.base().expect("there is memory") + memory.size() / 2;
    let (lower, upper) = memory.split_at(middle);

    let mut heap = Talloc::<C>::with_config();
    let mut walk = Walk::<BLOCKS>::new(plan, 1);
    // SAFETY: The memory is borrowed for longer than the heap exists.
    unsafe { heap.init(lower) };
    walk.steps(&mut heap, plan.steps);
    // SAFETY: The memory is borrowed for longer than the heap exists, and this half is not yet in use.
    unsafe { heap.claim(upper) }.expect("the arenas touch, but do not overlap");
    walk.steps(&mut heap, plan.steps);
    for round in 0..ROUNDS {
        reshape(&mut heap, &mut walk, lower, round, plan.steps / ROUNDS);
    }
    match plan.fault {
        Fault::Overwrite => walk.damage(),
        Fault::Leak => walk.leak(),
        Fault::None | Fault::Silence => {}
    }
    walk.finish(&mut heap);
    expect_unused(&mut heap, 2);
    exhaust(&mut heap, plan.largest / 4);
    expect_unused(&mut heap, 2);

    heap.arena(upper).and_then(|arena| arena.release()).expect("nothing is allocated in it");
    // SAFETY: The upper half has been released, so nothing uses it, and the lower half is the arena to extend.
    unsafe { heap.extend(memory) };
    take_whole(&mut heap);
    expect_unused(&mut heap, 1);
    walk.counts()
}

/// Truncates the first arena to its used part, and later extends it to `whole` again. The walk continues in both
/// states.
fn reshape<C: Config>(
    heap: &mut OwnedTalloc<C>,
    walk: &mut Walk<BLOCKS>,
    whole: Span,
    round: usize,
    steps: usize,
) {
    let used = heap.get_allocated_span();
    heap.truncate(used);
    // The heap must not access memory that it has given back.
    let (low, high) = whole.except(used);
    fill(low);
    fill(high);
    walk.steps(heap, steps / 2);
    check_filled(low);
    check_filled(high);

    // Extends by a few bytes, so that the bounds of the arena are not always multiples of a granule.
    let some = heap.get_arena().extend(round % 5, round * 7).fit_within(whole);
    if some.is_sized() {
        // SAFETY: `some` lies in `whole`, which the heap has given back except for its own part.
        unsafe { heap.extend(some) };
    }
    walk.steps(heap, steps / 2);
    // SAFETY: Outside the arena, `whole` is memory that the heap has given back.
    unsafe { heap.extend(whole) };
}

fn fill(memory: Span) {
    if let Some(start) = memory.get_base_ptr() {
        // SAFETY: The heap has given this memory back, and nothing else uses it.
        unsafe { start.write_bytes(CANARY, memory.size()) };
    }
}

fn check_filled(memory: Span) {
    let Some(start) = memory.get_base_ptr() else { return };
    for at in 0..memory.size() {
        // SAFETY: `fill` has initialised this memory, and nothing else uses it.
        let byte = unsafe { start.add(at).read() };
        assert!(byte == CANARY, "byte {at} of {memory}, outside the heap, is {byte:#x}");
    }
}

/// Panics unless each arena is a single free chunk.
fn expect_unused<C: Config>(heap: &mut OwnedTalloc<C>, arenas: usize) {
    heap.flush();
    let report = verify(heap);
    let unused = report.used_bytes == 0 && report.arenas == arenas && report.free_chunks == arenas;
    assert!(unused, "blocks are left, or have not coalesced: {report:?}");
}

fn verify<C: Config>(heap: &OwnedTalloc<C>) -> Report {
    heap.verify().unwrap_or_else(|violation| panic!("{violation}"))
}

/// Allocates blocks of one size until the memory is exhausted, frees every other one, fills the gaps again, and frees
/// all blocks.
fn exhaust<C: Config>(heap: &mut OwnedTalloc<C>, size: usize) {
    let layout = Layout::from_size_align(size, align_of::<Link>()).expect("sizes are small");
    let mut all = Stack(None);
    let count = all.fill(heap, layout);
    let report = verify(heap);
    assert!(count > 0 && report.largest_free_bytes < size, "{count} blocks, but {report:?}");

    let (mut kept, mut freed) = (Stack(None), 0);
    while let Some(block) = all.pop() {
        kept.push(block);
        if let Some(block) = all.pop() {
            // SAFETY: The block was allocated with this layout.
            unsafe { heap.free(block.cast(), layout) };
            verify(heap);
            freed += 1;
        }
    }
    let again = kept.fill(heap, layout);
    assert!(again == freed, "{freed} of {count} blocks were freed, but {again} allocated again");
    while let Some(block) = kept.pop() {
        // SAFETY: The block was allocated with this layout.
        unsafe { heap.free(block.cast(), layout) };
        verify(heap);
    }
}

/// Allocates the largest block possible.
fn take_whole<C: Config>(heap: &mut OwnedTalloc<C>) {
    heap.flush();
    let size = verify(heap).largest_free_bytes;
    let layout = Layout::from_size_align(size, 8).expect("it is smaller than the memory");
    // SAFETY: The size is not zero, and the block is freed with its layout.
    unsafe {
        let block = heap.malloc(layout).expect("a free chunk has this size");
        block.write_bytes(CANARY, size);
        assert!(verify(heap).free_bytes == 0);
        assert!(heap.malloc(Layout::new::<u8>()).is_err(), "there is nothing left");
        heap.free(block, layout);
    }
}

/// The address of a block on a stack.
type Link = Option<NonNull<Block>>;
struct Block(Link);

/// A stack of blocks, linked by their first words.
struct Stack(Link);

impl Stack {
    /// Allocates until a request fails. Returns the number of blocks.
    fn fill<C: Config>(&mut self, heap: &mut OwnedTalloc<C>, layout: Layout) -> usize {
        let mut count = 0;
        // SAFETY: The size is not zero.
        while let Ok(block) = unsafe { heap.malloc(layout) } {
            self.push(block.cast());
            count += 1;
        }
        count
    }

    fn push(&mut self, block: NonNull<Block>) {
        // SAFETY: The block has room for a link, is suitably aligned, and is not used otherwise.
        unsafe { block.write(Block(self.0)) };
        self.0 = Some(block);
    }

    fn pop(&mut self) -> Option<NonNull<Block>> {
        let block = self.0?;
        // SAFETY: `push` has initialised the link.
        self.0 = unsafe { block.read() }.0;
        Some(block)
    }
}
