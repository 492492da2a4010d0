//! Slabs.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::{self, NonNull};
use std::thread_local;
use std::vec;
use std::vec::Vec;

use talloc_span::{Align, Span};

use super::layout;
use crate::batch::Batch;
use crate::config::{Compact, WithQuick};
use crate::error::AllocError;
use crate::granule::GRANULE;
use crate::memory::Memory;
use crate::quick::slab::{SLAB, SLAB_CLASSES, SLAB_LEN, Slab, sabotage::Fault};
use crate::quick::{Lists, Parcel, PeerLists, Peers, Segment, lists_for};
use crate::report::Violation;
use crate::source::Source;
use crate::talloc::{OwnedTalloc, Talloc};

/// Bytes of blocks of one size before the size gets slabs.
const FROM: usize = 64;

/// The slabs for which a heap has room, with its bitmap.
const SLABS: usize = 64;

/// The bytes of the table of slabs.
const TABLE: usize = SLABS * size_of::<Slab>();

thread_local! {
    static WHOLE: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
    /// The heap that all blocks are said to be of. It is the only one's, number 0, unless a test wants its blocks sent away.
    static OWNER: Cell<u8> = const { Cell::new(0) };
    static SENT: Cell<Option<Parcel>> = const { Cell::new(None) };
}

/// A heap without peers, whose memory each test provides.
struct Alone;

// SAFETY: Each test has a heap, a table and memory of its own, in one allocation. If a test has blocks delivered, it gives
// them back to that heap.
unsafe impl Peers for Alone {
    fn owner_of(_: usize) -> u8 {
        OWNER.get()
    }

    fn deliver(_: u8, parcel: Parcel) {
        assert!(SENT.replace(Some(parcel)).is_none(), "one parcel is sent");
    }

    fn whole() -> *mut u8 {
        WHOLE.get()
    }

    const SLABS_FROM: Option<usize> = Some(FROM);
}

type Config = WithQuick<Compact, PeerLists<{ lists_for(512) }, { 64 << 10 }, Alone>>;

/// A source without memory.
struct Ample;

impl Source<Config> for Ample {
    const IS_AMPLE: bool = true;

    fn acquire(_: &mut Talloc<Config, Self>, _: Layout) -> Result<(), AllocError> {
        Err(AllocError)
    }
}

struct Heap {
    heap: OwnedTalloc<Config, Ample>,
    _memory: Vec<u8>,
}

impl Heap {
    fn new() -> Self {
        let mut heap = Self::unclaimed();
        let range = heap.range();
        // SAFETY: The memory lives as long as the heap, and nothing else uses it.
        unsafe { heap.heap.claim(range).unwrap() };
        heap
    }

    /// A heap whose memory has not been claimed.
    fn unclaimed() -> Self {
        let mut memory = vec![0_u8; TABLE + (SLABS + 1) * SLAB];
        let whole = Span::from(memory.as_mut_slice()).truncate(TABLE, 0);
        let range = whole.align_inward(Align::new(SLAB).unwrap());
        WHOLE.set(range.get_base_ptr().unwrap());
        let mut heap = Talloc::with_source(Ample);
        // SAFETY: All of the memory is heap 0's.
        unsafe { heap.wake(0) };
        Self { heap, _memory: memory }
    }

    /// The memory, without the table.
    fn range(&mut self) -> Span {
        Span::from_ptr_size(WHOLE.get(), SLABS * SLAB)
    }

    fn take(&mut self, len: usize) -> NonNull<u8> {
        // SAFETY: `malloc` has no preconditions.
        let block = unsafe { self.heap.malloc(layout(len)) }.unwrap();
        self.heap.verify().unwrap();
        block
    }

    fn give(&mut self, block: NonNull<u8>, len: usize) {
        // SAFETY: The block is allocated with this layout, and is freed once.
        unsafe { self.heap.free(block, layout(len)) };
        self.heap.verify().unwrap();
    }

    /// Frees blocks, and flushes the lists.
    fn give_all(&mut self, blocks: Vec<NonNull<u8>>, len: usize) {
        blocks.into_iter().for_each(|block| self.give(block, len));
        self.heap.flush();
        self.heap.verify().unwrap();
    }

    /// Allocates blocks until `slabs` slabs are full of them.
    fn fill(&mut self, len: usize, slabs: usize) -> Vec<NonNull<u8>> {
        let mut blocks = Vec::new();
        while self.slabs_of(&blocks) < slabs || blocks.len() % (SLAB_LEN / len) != 0 {
            blocks.push(self.take(len));
        }
        blocks
    }

    fn is_in_slab(&self, block: NonNull<u8>) -> bool {
        // SAFETY: The tests ask for allocated blocks only.
        unsafe { self.heap.is_in_slab(block) }
    }

    /// Whether the first block of a size lies in a slab.
    fn is_in_slab_of_first(&mut self, len: usize) -> bool {
        let block = self.take(len);
        self.is_in_slab(block)
    }

    /// How many slabs contain some of the blocks.
    fn slabs_of(&self, blocks: &[NonNull<u8>]) -> usize {
        let blocks = blocks.iter().filter(|block| self.is_in_slab(**block));
        let mut slabs: Vec<usize> = blocks.map(|block| block.addr().get() / SLAB).collect();
        slabs.sort_unstable();
        slabs.dedup();
        slabs.len()
    }
}

#[test]
fn a_size_gets_slabs_after_so_many_bytes_in_a_heap_that_is_not_small() {
    const NOT_SMALL: usize = 64 * FROM;
    for len in [2, 5, 30, SLAB_CLASSES - 1, SLAB_CLASSES] {
        let mut heap = Heap::new();
        let blocks: Vec<_> = (0..4 * NOT_SMALL / (len * GRANULE)).map(|_| heap.take(len)).collect();
        let first = blocks.iter().position(|block| heap.is_in_slab(*block));
        if len >= SLAB_CLASSES {
            assert_eq!(first, None, "blocks of {len} granules are too large");
            continue;
        }
        let before = first.expect("the size has slabs") * len * GRANULE;
        // The arena is asked for a few blocks at a time.
        let most = NOT_SMALL + FROM + 2 * SLAB / 4;
        assert!(
            (NOT_SMALL - len * GRANULE..most).contains(&before),
            "{before} bytes of {len} granules"
        );
        // Another size has to be asked for as often.
        assert!(!heap.is_in_slab_of_first(len % 30 + 8));
    }
}

#[test]
fn blocks_of_a_slab_do_not_overlap_and_are_aligned() {
    for len in [2, 3, 7, 64] {
        let mut heap = Heap::new();
        let mut blocks = heap.fill(len, 3);
        blocks.sort_unstable();
        let size = len * GRANULE;
        assert!(blocks.windows(2).all(|pair| pair[0].addr().get() + size <= pair[1].addr().get()));
        let align = 1 << size.trailing_zeros();
        let in_slabs = blocks.iter().filter(|block| heap.is_in_slab(**block));
        assert!(in_slabs.into_iter().all(|block| block.addr().get() % align == 0));
    }
}

#[test]
fn an_aligned_request_gets_a_block_of_a_slab_only_if_it_is_aligned() {
    for (len, align) in [(3, 16), (4, 32), (8, 64), (9, 64), (24, 64), (6, 16)] {
        let mut heap = Heap::new();
        let size = len * GRANULE;
        let blocks = heap.fill(len, 2);
        let aligned = Layout::from_size_align(size, align).unwrap();
        let more: Vec<_> = (0..SLAB_LEN / len)
            .map(|_| {
                // SAFETY: `malloc` has no preconditions.
                let block = unsafe { heap.heap.malloc(aligned) }.unwrap();
                assert_eq!(block.addr().get() % align, 0);
                heap.heap.verify().unwrap();
                block
            })
            .collect();
        let in_slabs = more.iter().filter(|block| heap.is_in_slab(**block)).count();
        assert!(in_slabs == more.len() || size % align != 0, "{size} bytes aligned to {align}");
        for block in more {
            // SAFETY: The block is allocated with this layout, and is freed once.
            unsafe { heap.heap.free(block, aligned) };
        }
        heap.give_all(blocks, len);
    }
}

#[test]
fn a_flush_returns_slabs_without_blocks_in_use() {
    let mut heap = Heap::new();
    let mut blocks = heap.fill(5, 6);
    let slabs = heap.slabs_of(&blocks);
    let kept = blocks.iter().rposition(|block| heap.is_in_slab(*block)).unwrap();
    let kept = blocks.swap_remove(kept);
    heap.give_all(blocks, 5);
    let report = heap.heap.verify().unwrap();
    assert!(slabs >= 6);
    assert_eq!((report.used_bytes, report.cached_bytes), (40, SLAB - 40));
    heap.give(kept, 5);
    heap.heap.flush();
    let report = heap.heap.verify().unwrap();
    assert_eq!((report.used_bytes, report.cached_bytes, report.free_chunks), (0, 0, 1));
}

#[test]
fn the_free_blocks_of_a_slab_are_reused_before_new_memory() {
    let mut heap = Heap::new();
    let mut blocks = heap.fill(5, 4);
    let slabs = heap.slabs_of(&blocks);
    let high_water = heap.heap.verify().unwrap().high_water_bytes;
    for round in 0..10 {
        let free = blocks.len() * (round % 3 + 1) / 4;
        for _ in 0..free {
            let block = blocks.swap_remove(blocks.len() * 3 / 5);
            heap.give(block, 5);
        }
        heap.heap.flush();
        blocks.extend((0..free).map(|_| heap.take(5)));
        assert!(heap.slabs_of(&blocks) <= slabs + 1);
        assert_eq!(heap.heap.verify().unwrap().high_water_bytes, high_water);
    }
}

#[test]
fn a_request_gets_the_memory_of_slabs_before_it_fails() {
    let mut heap = Heap::new();
    let blocks = heap.fill(4, 20);
    for block in blocks {
        heap.give(block, 4);
    }
    let whole = heap.heap.inspect().free_bytes() - 64;
    heap.take(whole / GRANULE);
}

#[test]
fn a_block_that_is_cut_keeps_its_slab() {
    let mut heap = Heap::new();
    let blocks = heap.fill(6, 2);
    let block = *blocks.iter().find(|block| heap.is_in_slab(**block)).unwrap();
    // SAFETY: The block is allocated with this layout, and freed once with that of its new size.
    unsafe { heap.heap.cut(block, layout(6), layout(2)) };
    heap.heap.verify().unwrap();
    heap.give(block, 2);
    heap.heap.flush();
    assert_eq!(heap.heap.verify().unwrap().used_bytes, (blocks.len() - 1) * 48);
}

#[test]
fn a_block_in_a_slab_can_be_resized_in_all_ways() {
    let mut heap = Heap::new();
    let mut blocks = heap.fill(6, 2);
    let at = blocks.iter().rposition(|block| heap.is_in_slab(*block)).unwrap();
    let block = blocks.swap_remove(at);
    let (six, two) = (layout(6), layout(2));
    // SAFETY: The block is allocated, and each call passes its present layout.
    unsafe {
        assert!(heap.heap.grow_in_place(block, six, 2000).is_err());
        heap.heap.verify().unwrap();
        heap.heap.shrink(block, six, two.size());
        heap.heap.verify().unwrap();
        let block = heap.heap.realloc(block, two, six.size()).unwrap();
        heap.heap.verify().unwrap();
        let block = heap.heap.realloc(block, six, two.size()).unwrap();
        heap.heap.verify().unwrap();
        let block = heap.heap.realloc(block, two, 3000).unwrap();
        heap.give(block, 3000 / GRANULE);
    }
    heap.give_all(blocks, 6);
    assert_eq!(heap.heap.verify().unwrap().free_chunks, 1);
}

#[test]
fn a_batch_is_freed_to_slabs_while_nothing_is_cached() {
    let mut heap = Heap::new();
    let blocks = heap.fill(6, 3);
    heap.heap.flush();
    heap.heap.rest();
    let mut batch = Batch::EMPTY;
    // SAFETY: The blocks are allocated with this layout, and nobody uses them.
    unsafe {
        blocks.into_iter().for_each(|block| batch.push(block));
        heap.heap.backend().free_batch(48, batch);
    }
    heap.heap.flush();
    let report = heap.heap.verify().unwrap();
    assert_eq!((report.used_bytes, report.cached_bytes, report.free_chunks), (0, 0, 1));
}

#[test]
fn a_heap_that_rests_keeps_no_slab_without_blocks_in_use() {
    let mut heap = Heap::new();
    let mut blocks = heap.fill(6, 3);
    let last = blocks.iter().rposition(|block| heap.is_in_slab(*block)).unwrap();
    let last = blocks.swap_remove(last);
    heap.give_all(blocks, 6);
    OWNER.set(1);
    // SAFETY: The block is allocated with this layout, and is freed once.
    unsafe { heap.heap.free(last, layout(6)) };
    heap.heap.flush();
    heap.heap.send_strays();
    OWNER.set(0);
    heap.heap.rest();
    assert_eq!(heap.heap.verify().unwrap().used_bytes, 48);
    let [first, _] = SENT.take().expect("the block was sent").into_ends();
    // SAFETY: It is the first block of a parcel, which is read and given back once.
    unsafe {
        let (segment, next) = Segment::read(first);
        assert_eq!((segment.blocks(), next), (1, None));
        heap.heap.backend().take_back(segment);
    }
    let report = heap.heap.verify().unwrap();
    assert_eq!((report.used_bytes, report.cached_bytes, report.free_chunks), (0, 0, 1));
}

#[test]
fn a_request_gets_a_larger_block_of_a_slab_before_it_fails() {
    let mut heap = Heap::new();
    let mut blocks = heap.fill(5, 1);
    // SAFETY: `malloc` has no preconditions.
    while let Ok(block) = unsafe { heap.heap.malloc(layout(5)) } {
        blocks.push(block);
    }
    let in_slabs: Vec<_> = blocks.into_iter().filter(|block| heap.is_in_slab(*block)).collect();
    for block in in_slabs.chunks(2).step_by(2).flatten() {
        // SAFETY: The block has 40 bytes.
        unsafe { block.write_bytes(0xFF, 40) };
        heap.give(*block, 5);
    }
    // Every second block of 40 bytes is aligned like that.
    let aligned = Layout::from_size_align(24, 16).unwrap();
    for _ in 0..SLAB_LEN / 5 / 8 {
        // SAFETY: `malloc` has no preconditions.
        let block = unsafe { heap.heap.malloc(aligned) }.unwrap();
        assert_eq!(block.addr().get() % 16, 0);
        heap.heap.verify().unwrap();
    }
    // SAFETY: `malloc_zeroed` has no preconditions, and the block has 32 bytes.
    unsafe {
        let zeroed = heap.heap.malloc_zeroed(layout(4)).unwrap();
        assert!(heap.is_in_slab(zeroed));
        assert_eq!(zeroed.cast::<[u8; 32]>().read(), [0; 32]);
    }
    let fours: Vec<_> = (1..in_slabs.len() / 4).map(|_| heap.take(4)).collect();
    let in_slabs = fours.iter().filter(|block| heap.is_in_slab(**block)).count();
    assert!(in_slabs > 0 && in_slabs + 4 > fours.len(), "{in_slabs} of {}", fours.len());
}

#[test]
fn blocks_of_a_range_are_known_to_be_own_until_the_arena_loses_memory() {
    let mut heap = Heap::unclaimed();
    let range = heap.range();
    // SAFETY: All of the range is memory of this heap, and zero.
    let part = unsafe {
        heap.heap.arenas_mut().claim_part(range, 16 * SLAB, Memory::ZEROED, |_| true).unwrap()
    };
    let blocks = heap.fill(5, 3);
    let inside = blocks[0];
    let is_own = |heap: &Heap| heap.heap.quick.slabs().unwrap().is_own(inside);
    assert!(is_own(&heap));
    for block in blocks {
        heap.give(block, 5);
    }
    heap.heap.arena(part).unwrap().truncate(part.truncate(0, SLAB)).unwrap();
    assert!(!is_own(&heap));
    heap.heap.verify().unwrap();
    let blocks = heap.fill(5, 2);
    heap.give_all(blocks, 5);
    assert_eq!(heap.heap.verify().unwrap().cached_bytes, 0);
}

#[test]
fn free_memory_of_slabs_is_listed_and_counted() {
    let mut heap = Heap::new();
    let blocks = heap.fill(7, 3);
    for block in blocks.iter().step_by(2) {
        heap.give(*block, 7);
    }
    let view = heap.heap.inspect();
    let report = heap.heap.verify().unwrap();
    let cached = view.free_chunks().filter(|chunk| chunk.kind == crate::chunk::ChunkKind::Cached);
    assert_eq!(cached.map(|chunk| chunk.span.size()).sum::<usize>(), report.cached_bytes);
    assert_eq!(view.statistics().cached_bytes, report.cached_bytes);
    assert_eq!(view.used_bytes(), report.used_bytes);
}

#[test]
fn verify_finds_entries_that_are_wrong() {
    let all = [
        Fault::Blocks(1),
        Fault::Blocks(-1),
        Fault::InUse(1),
        Fault::InUse(-1),
        Fault::InUse(SLAB_LEN as i16),
        Fault::Len(1),
        Fault::FreeElsewhere(4),
        Fault::FreeElsewhere(SLAB as isize),
    ];
    for fault in all {
        let mut heap = Heap::new();
        let blocks = heap.fill(5, 2);
        let block = *blocks.iter().rfind(|block| heap.is_in_slab(**block)).unwrap();
        heap.give(block, 5);
        heap.heap.flush();
        heap.heap.verify().unwrap();
        let addr = block.addr().get() / SLAB * SLAB;
        // SAFETY: The block lies in a slab.
        unsafe { fault.commit(WHOLE.get(), block) };
        assert_eq!(heap.heap.verify(), Err(Violation::Slab { addr }), "{fault:?}");
    }
}

#[test]
fn verify_finds_a_slab_that_is_on_no_list_and_a_wrong_count() {
    let prepared = || {
        let mut heap = Heap::new();
        let blocks = heap.fill(5, 2);
        let block = *blocks.iter().rfind(|block| heap.is_in_slab(**block)).unwrap();
        heap.give(block, 5);
        heap.heap.flush();
        heap
    };
    let mut heap = prepared();
    heap.heap.quick.slabs_mut().unwrap().lose_list(5);
    assert_eq!(heap.heap.verify(), Err(Violation::SlabLists));
    // Pieces that are no slab, in the memory of the heap and not.
    for (before, after) in [(7, 0), (0, 1), (0, SLABS as u32 + 2), (0, u32::MAX)] {
        let mut heap = prepared();
        heap.heap.quick.slabs_mut().unwrap().set_links(WHOLE.get(), 5, before, after);
        assert_eq!(heap.heap.verify(), Err(Violation::SlabLists), "{before} {after}");
    }
    let mut heap = prepared();
    heap.heap.quick.slabs_mut().unwrap().move_list(5, 6);
    assert_eq!(heap.heap.verify(), Err(Violation::SlabLists));
    // A slab without blocks in use is alone on its list.
    let mut heap = prepared();
    let page = Layout::from_size_align(SLAB, SLAB).unwrap();
    // SAFETY: The memory is an allocated block that nobody uses.
    unsafe {
        let memory = heap.heap.malloc(page).unwrap();
        heap.heap.quick.slabs_mut().unwrap().add(WHOLE.get(), memory, 5);
    }
    assert_eq!(heap.heap.verify(), Err(Violation::SlabLists));
    let mut heap = prepared();
    heap.heap.quick.slabs_mut().unwrap().miscount();
    assert_eq!(heap.heap.verify(), Err(Violation::CachedCount));
}
