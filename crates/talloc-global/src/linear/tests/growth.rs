//! When the memory grows, and how far.

use std::vec::Vec;

use super::super::Linear;
use super::super::bits::SPAN;
use super::super::memory::PAGE;
use super::{Model, PAGES, Small, Usual, for_both};

/// Sizes that a memory is filled with.
const SIZES: [usize; 6] = [64, 1024, PAGE - 16, PAGE, 1 << 20, 4 << 20];

/// Nearly all of the memory can be had, as the exact need is tried before a failure.
fn all_but_little_can_be_had<const BINS: usize, const SPLIT: u32, const QUICK: usize>() {
    for size in SIZES {
        let model = Model::new(PAGES);
        let mut heap = Linear::<_, BINS, SPLIT, QUICK>::new(&model);
        let count = core::iter::from_fn(|| heap.allocate(size, 8)).count();
        let (all, bitmap) = (PAGES * PAGE, PAGES * PAGE / SPAN);
        // The first page, a block that does not fit, and a page that is too little for one.
        let lost = all - count * size;
        assert!(lost < bitmap + size + 3 * PAGE, "{lost} of {all} bytes, in blocks of {size}");
        let _ = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    }
}
for_both!(all_but_little_can_be_had);

/// A request that fails leaves the memory as it was, and an impossible one does not even ask for it.
fn a_failed_request_changes_nothing<const BINS: usize, const SPLIT: u32, const QUICK: usize>() {
    let model = Model::new(PAGES / 4);
    let mut heap = Linear::<_, BINS, SPLIT, QUICK>::new(&model);
    let block = heap.allocate(100_000, 8).expect("there is room");
    for others in 0..3 {
        model.grow_for_others(others);
        let (pages, report) = (model.pages(), heap.verify());
        for size in
            [PAGES * PAGE / 4, PAGES * PAGE, isize::MAX as usize / 2, isize::MAX as usize - 8]
        {
            for _ in 0..100 {
                assert_eq!(heap.allocate(size, 8), None);
                assert_eq!(heap.allocate_dirty(size, 8), None);
                // SAFETY: It is a block of that size.
                assert!(!unsafe { heap.resize(block.get(), 100_000, size) });
            }
        }
        assert_eq!(heap.allocate(1, 1 << (usize::BITS - 2)), None);
        assert_eq!((model.pages(), heap.verify()), (pages, report));
    }
    model.check_others();
}
for_both!(a_failed_request_changes_nothing);

/// However often others make the memory grow, there is one arena, which asks for more at a time.
fn others_may_grow_the_memory<const BINS: usize, const SPLIT: u32, const QUICK: usize>() {
    const SIZE: usize = 100_000;
    let model = Model::new(PAGES);
    let mut heap = Linear::<_, BINS, SPLIT, QUICK>::new(&model);
    let mut blocks = Vec::new();
    for _ in 0..300 {
        blocks.extend(heap.allocate(SIZE, 8));
        model.grow_for_others(1);
    }
    assert_eq!(blocks.len(), 300);
    // By an eighth each time: a logarithm of the number.
    assert!(model.asked() < 60, "it has grown {} times", model.asked());
    assert_eq!(heap.verify().map(|report| report.arenas), Ok(1));
    for block in blocks {
        // SAFETY: It is a block of that size.
        unsafe { heap.free(block.get(), SIZE) };
    }
    let report = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!(report.used_bytes, 0);
    // A free chunk between any two pieces of others at the most.
    assert!(report.free_chunks <= 1 + model.asked(), "{report:?}");
    model.check_others();
}
for_both!(others_may_grow_the_memory);

/// What others do at the very same time costs an attempt, and no memory of theirs.
fn others_may_grow_it_meanwhile<const BINS: usize, const SPLIT: u32, const QUICK: usize>() {
    let model = Model::without_rest(PAGES);
    let mut heap = Linear::<_, BINS, SPLIT, QUICK>::new(&model);
    for round in 0..40 {
        model.race(round % 4);
        let block = heap.allocate(1000 << (round % 11), 8);
        assert!(block.is_some());
        let _ = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    }
    model.check_others();
}
for_both!(others_may_grow_it_meanwhile);

/// A block at the end that doubles stays where it is, and needs little more memory than it has.
fn a_growing_block_stays<const BINS: usize, const SPLIT: u32, const QUICK: usize>() {
    let model = Model::new(PAGES);
    let mut heap = Linear::<_, BINS, SPLIT, QUICK>::new(&model);
    let block = heap.allocate(PAGE, 8).expect("there is room").get();
    let mut size = PAGE;
    while size < PAGES / 4 * PAGE {
        // SAFETY: It is a block of that size.
        assert!(unsafe { heap.resize(block, size, 2 * size) });
        size *= 2;
        let _ = heap.verify().unwrap_or_else(|violation| panic!("{violation}"));
    }
    assert!(model.own_bytes() < size + size / 4, "{} for {size}", model.own_bytes());
    // SAFETY: As above.
    unsafe { heap.free(block, size) };
    let pages = model.pages();
    assert!(heap.allocate(size, 8).is_some());
    assert_eq!(model.pages(), pages, "memory has been lost");
}
for_both!(a_growing_block_stays);

/// If others have made the memory grow, a block at the end cannot stay, and nothing is asked for.
#[test]
fn a_block_before_a_gap_does_not_make_the_memory_grow() {
    let model = Model::new(PAGES);
    let mut heap = Small::new(&model);
    let block = heap.allocate(PAGE, 8).expect("there is room").get();
    model.grow_for_others(1);
    let pages = model.pages();
    // SAFETY: It is a block of that size.
    assert!(!unsafe { heap.resize(block, PAGE, 100 * PAGE) });
    assert_eq!(model.pages(), pages);
}

/// When others have all memory up to the last address, nothing is asked for.
#[test]
fn a_memory_of_all_addresses_cannot_grow() {
    let model = Model::new(PAGES);
    let mut heap = Usual::new(&model);
    let block = heap.allocate(PAGE, 8).expect("there is room").get();
    model.take_all_for_others();
    assert_eq!(heap.allocate(10 * PAGE, 8), None);
    // SAFETY: It is a block of that size.
    unsafe {
        assert!(!heap.resize(block, PAGE, 10 * PAGE));
        heap.free(block, PAGE);
    }
    assert!(heap.verify().is_ok());
    assert_eq!(Small::new(&model).allocate(8, 8), None);
}

/// The first blocks lie in what the initial memory has left.
#[test]
fn the_rest_comes_first() {
    let model = Model::new(PAGES);
    let mut heap = Usual::new(&model);
    let block = heap.allocate(PAGE / 4, 8);
    assert!(block.is_some() && model.asked() == 0);
    assert!(heap.allocate(PAGE / 2, 8).is_some() && model.asked() > 0);
    assert_eq!(heap.verify().map(|report| report.arenas), Ok(1));
}
