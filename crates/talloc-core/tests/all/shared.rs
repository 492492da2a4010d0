//! The allocator traits' operations on a heap behind a shared reference.

use std::alloc::Layout;
use std::cell::RefCell;
use std::ptr::NonNull;

use crate::common::{layout, memory};
use talloc_core::shared::{self, SharedHeap, global};
use talloc_core::{
    AllocError, Checked, Compact, Config, Micro, OomHandler, OwnedTalloc, RealTime, Talloc,
};

/// A heap for a single thread. If `MOVES`, blocks are moved rather than resized in place.
struct Shared<C: Config, const MOVES: bool = false>(RefCell<OwnedTalloc<C>>);

// SAFETY: All calls use the same heap, and the cell allows only one at a time.
unsafe impl<C: Config, const MOVES: bool> SharedHeap for Shared<C, MOVES> {
    type Config = C;
    type Source = OomHandler<C>;

    fn with<T>(&self, f: impl FnOnce(&mut Talloc<C>) -> T) -> T {
        f(&mut self.0.borrow_mut())
    }

    fn rather_moves(&self, _: Layout, _: Layout) -> bool {
        MOVES
    }
}

/// The same without a preference for moving.
struct Plain(RefCell<OwnedTalloc<RealTime>>);

// SAFETY: All calls use the same heap, and the cell allows only one at a time.
unsafe impl SharedHeap for Plain {
    type Config = RealTime;
    type Source = OomHandler<RealTime>;

    fn with<T>(&self, f: impl FnOnce(&mut Talloc<RealTime>) -> T) -> T {
        f(&mut self.0.borrow_mut())
    }
}

/// Creates a heap of `bytes` bytes, none of which is zero.
fn heap<C: Config>(bytes: usize) -> RefCell<OwnedTalloc<C>> {
    let memory = memory(bytes);
    let mut heap = Talloc::<C>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe {
        memory.get_base_ptr().unwrap().write_bytes(0xee, bytes);
        heap.init(memory);
    }
    RefCell::new(heap)
}

fn used<H: SharedHeap>(heap: &H) -> usize {
    heap.with(|heap| heap.verify().unwrap().used_bytes)
}

/// Fills a block with consecutive numbers from `first` on.
fn fill(block: NonNull<[u8]>, first: u8) {
    for at in 0..block.len() {
        // SAFETY: The access is within the block.
        unsafe { block.cast::<u8>().add(at).write(first.wrapping_add(at as u8)) };
    }
}

/// Returns whether the first bytes of a block are consecutive numbers from `first` on.
fn is_filled(block: NonNull<u8>, bytes: usize, first: u8) -> bool {
    // SAFETY: The access is within the block, whose bytes are initialised.
    (0..bytes).all(|at| unsafe { block.add(at).read() } == first.wrapping_add(at as u8))
}

/// Returns whether the bytes of a block from `from` on are zero.
fn is_zero(block: NonNull<[u8]>, from: usize) -> bool {
    // SAFETY: The access is within the block, whose bytes are initialised.
    (from..block.len()).all(|at| unsafe { block.cast::<u8>().add(at).read() } == 0)
}

/// Returns whether a block is aligned as the layout requires.
fn is_aligned(block: NonNull<[u8]>, layout: Layout) -> bool {
    block.cast::<u8>().addr().get() % layout.align() == 0
}

fn blocks_of_no_bytes_are_not_from_the_heap<C: Config>() {
    let heap = Shared::<C>(heap(4000));
    for align in [1, 8, 64, 1 << 20] {
        let nothing = layout(0, align);
        for block in [shared::allocate(&heap, nothing), shared::allocate_zeroed(&heap, nothing)] {
            let block = block.unwrap();
            assert!(block.is_empty() && is_aligned(block, nothing));
            assert_eq!(used(&heap), 0);
            // SAFETY: The block has this layout, and is freed once.
            unsafe { shared::deallocate(&heap, block.cast(), nothing) };
        }
    }
    // SAFETY: The blocks have these layouts, and each is freed once.
    unsafe {
        let nothing = shared::allocate(&heap, layout(0, 8)).unwrap();
        let block = shared::grow(&heap, nothing.cast(), layout(0, 8), layout(50, 8)).unwrap();
        assert_eq!((block.len(), used(&heap)), (50, 56));
        let nothing = shared::shrink(&heap, block.cast(), layout(50, 8), layout(0, 64)).unwrap();
        assert!(nothing.is_empty() && is_aligned(nothing, layout(0, 64)));
    }
    assert_eq!(used(&heap), 0);
}

#[test]
fn blocks_of_no_bytes_are_not_from_any_heap() {
    blocks_of_no_bytes_are_not_from_the_heap::<Compact>();
    blocks_of_no_bytes_are_not_from_the_heap::<RealTime>();
    blocks_of_no_bytes_are_not_from_the_heap::<Micro>();
    blocks_of_no_bytes_are_not_from_the_heap::<Checked>();
}

#[test]
fn blocks_match_their_layouts() {
    let heap = Shared::<Compact>(heap(40_000));
    for size in [1, 40, 511, 3000] {
        for align in [1, 8, 128] {
            let layout = layout(size, align);
            let block = shared::allocate(&heap, layout).unwrap();
            assert!(block.len() == size && is_aligned(block, layout));
            fill(block, 9);
            // SAFETY: The block has this layout, and is freed once.
            unsafe { shared::deallocate(&heap, block.cast(), layout) };
            let block = shared::allocate_zeroed(&heap, layout).unwrap();
            assert!(block.len() == size && is_aligned(block, layout) && is_zero(block, 0));
            // SAFETY: The block has this layout, and is freed once.
            unsafe { shared::deallocate(&heap, block.cast(), layout) };
            assert_eq!(used(&heap), 0);
        }
    }
    assert_eq!(shared::allocate(&heap, layout(50_000, 8)), Err(AllocError));
    assert_eq!(shared::allocate_zeroed(&heap, layout(50_000, 8)), Err(AllocError));
}

#[test]
fn a_block_is_resized_in_place_if_possible() {
    let heap = Plain(heap(4000));
    let [small, large] = [layout(100, 8), layout(300, 8)];
    let block = shared::allocate(&heap, small).unwrap();
    fill(block, 3);
    // SAFETY: The block has these layouts, and is freed once.
    unsafe {
        let grown = shared::grow(&heap, block.cast(), small, large).unwrap();
        assert_eq!((grown.cast::<u8>(), grown.len()), (block.cast(), 300));
        assert!(is_filled(grown.cast(), 100, 3));
        assert_eq!(used(&heap), 304);
        let shrunk = shared::shrink(&heap, grown.cast(), large, small).unwrap();
        assert_eq!((shrunk.cast::<u8>(), shrunk.len()), (block.cast(), 100));
        assert!(is_filled(shrunk.cast(), 100, 3));
        assert_eq!(used(&heap), 104);
        shared::deallocate(&heap, shrunk.cast(), small);
    }
    assert_eq!(used(&heap), 0);
}

#[test]
fn a_block_moves_if_it_must_and_takes_its_contents_along() {
    let heap = Shared::<RealTime>(heap(8000));
    let [small, large] = [layout(100, 8), layout(300, 8)];
    let block = shared::allocate(&heap, small).unwrap();
    let above = shared::allocate(&heap, small).unwrap();
    fill(block, 3);
    fill(above, 70);
    // SAFETY: The blocks have these layouts, and each is freed once.
    unsafe {
        let grown = shared::grow_zeroed(&heap, block.cast(), small, large).unwrap();
        assert!(grown.cast() != block.cast::<u8>() && grown.len() == 300);
        assert!(is_filled(grown.cast(), 100, 3) && is_zero(grown, 100));
        assert_eq!(used(&heap), 304 + 104);
        // The block also moves to get an alignment that it does not have by chance.
        let align = 2 << grown.cast::<u8>().addr().trailing_zeros();
        let aligned = layout(100, align);
        let shrunk = shared::shrink(&heap, grown.cast(), large, aligned).unwrap();
        assert!(is_aligned(shrunk, aligned) && is_filled(shrunk.cast(), 100, 3));
        assert_eq!((shrunk.len(), used(&heap)), (100, 104 + 104));
        let align = 2 << shrunk.cast::<u8>().addr().trailing_zeros();
        let larger = layout(150, align);
        let grown = shared::grow(&heap, shrunk.cast(), aligned, larger).unwrap();
        assert!(is_aligned(grown, larger) && is_filled(grown.cast(), 100, 3));
        // If there is no room, the block is unchanged.
        let huge = layout(9000, 8);
        assert_eq!(shared::grow(&heap, grown.cast(), larger, huge), Err(AllocError));
        assert_eq!(shared::grow_zeroed(&heap, grown.cast(), larger, huge), Err(AllocError));
        let far = layout(8, 1 << 20);
        assert_eq!(shared::shrink(&heap, grown.cast(), larger, far), Err(AllocError));
        assert!(is_filled(grown.cast(), 100, 3) && is_filled(above.cast(), 100, 70));
        assert_eq!(used(&heap), 152 + 104);
        shared::deallocate(&heap, grown.cast(), larger);
        shared::deallocate(&heap, above.cast(), small);
    }
    assert_eq!(used(&heap), 0);
}

#[test]
fn a_block_that_would_rather_move_moves_if_there_is_room() {
    let heap = Shared::<RealTime, true>(heap(4000));
    let [small, large] = [layout(100, 8), layout(1500, 8)];
    let block = shared::allocate(&heap, small).unwrap();
    fill(block, 3);
    // SAFETY: The block has these layouts, and is freed once.
    unsafe {
        let grown = shared::grow(&heap, block.cast(), small, large).unwrap();
        assert!(grown.cast() != block.cast::<u8>() && is_filled(grown.cast(), 100, 3));
        // There is no room for a second block of this size.
        let [larger, less] = [layout(2400, 8), layout(2300, 8)];
        let stays = shared::grow(&heap, grown.cast(), large, larger).unwrap();
        assert_eq!(stays.cast::<u8>(), grown.cast());
        let stays = shared::shrink(&heap, stays.cast(), larger, less).unwrap();
        assert_eq!((stays.cast::<u8>(), stays.len()), (grown.cast(), 2300));
        let shrunk = shared::shrink(&heap, stays.cast(), less, small).unwrap();
        assert!(shrunk.cast() != stays.cast::<u8>() && is_filled(shrunk.cast(), 100, 3));
        assert_eq!(used(&heap), 104);
        shared::deallocate(&heap, shrunk.cast(), small);
    }
    assert_eq!(used(&heap), 0);
}

#[test]
fn a_global_allocator_answers_with_null() {
    let heap = Shared::<Compact>(heap(4000));
    let layout = layout(40, 8);
    // SAFETY: The blocks have these layouts, and each is freed once.
    unsafe {
        let block = global::alloc(&heap, layout);
        assert!(!block.is_null());
        block.write_bytes(7, 40);
        let block = global::realloc(&heap, block, layout, 90);
        assert!((0..40).all(|at| block.add(at).read() == 7));
        assert_eq!(used(&heap), 96);
        let large = Layout::from_size_align(90, 8).unwrap();
        assert!(global::realloc(&heap, block, large, 5000).is_null());
        assert_eq!(global::realloc(&heap, block, large, 90), block);
        let block = global::realloc(&heap, block, large, 40);
        assert!((0..40).all(|at| block.add(at).read() == 7));
        assert_eq!(used(&heap), 40);
        global::dealloc(&heap, block, layout);
        let block = global::alloc_zeroed(&heap, layout);
        assert!((0..40).all(|at| block.add(at).read() == 0));
        global::dealloc(&heap, block, layout);
        let huge = Layout::from_size_align(5000, 8).unwrap();
        assert!(global::alloc(&heap, huge).is_null());
        assert!(global::alloc_zeroed(&heap, huge).is_null());
    }
    assert_eq!(used(&heap), 0);
}
