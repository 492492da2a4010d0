//! Batches of blocks of one size.

use std::alloc::Layout;
use std::collections::HashSet;

use crate::common::found::{Note, found};
use talloc_core::{
    Batch, Checked, Compact, Config, Fault, Inspect, Memory, Micro, Misuse, OomHandler, RealTime,
    Span, Talloc, Violation,
};

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// Calls `f` with a heap of `size` bytes. All of it must be free afterwards.
fn with_heap<C: Config>(size: usize, f: impl FnOnce(&mut Talloc<C>)) {
    let mut memory = vec![0_u8; size];
    let mut heap = Talloc::<C>::with_config();
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe { heap.init(Span::from(memory.as_mut_slice())) };
    f(&mut heap);
    heap.flush();
    let report = heap.verify().unwrap();
    assert_eq!((report.used_bytes, report.free_chunks), (0, 1));
}

/// Allocates a batch of blocks of this size.
fn batch_of<C: Config>(heap: &mut Talloc<C>, size: usize, most: usize) -> Batch {
    // SAFETY: The tests keep the memory as long as the heap and its blocks.
    unsafe { heap.backend().malloc_batch(size, most) }
}

/// Frees a batch of blocks of this size.
fn free<C: Config>(heap: &mut Talloc<C>, size: usize, batch: Batch) {
    // SAFETY: The batch is from this heap, and its blocks are not used any more.
    unsafe { heap.backend().free_batch(size, batch) };
    heap.verify().unwrap();
}

fn check<C: Config>() {
    for size in [1, 8, 16, 40, 100, 512, 700] {
        with_heap::<C>(100_000, |heap| {
            let mut batch = batch_of(heap, size, 50);
            assert_eq!(batch.len(), 50);
            assert_eq!(
                heap.verify().unwrap().used_bytes,
                50 * Inspect::<C, OomHandler<C>>::usable_size(size)
            );
            assert_eq!(heap.inspect().verify_batch(size, &batch), Ok(()));
            let addrs: HashSet<_> = batch.iter().map(|block| block.addr().get()).collect();
            assert_eq!(addrs.len(), 50);

            // The blocks of a batch are ordinary blocks.
            let block = batch.pop().unwrap();
            // SAFETY: The block has this size, and is freed once.
            unsafe {
                block.write_bytes(0xAA, size);
                heap.free(block, layout(size));
            }
            assert_eq!(batch.len(), 49);
            free(heap, size, batch);
        });
    }
}

#[test]
fn batches_are_blocks_of_any_heap() {
    check::<Compact>();
    check::<RealTime>();
    check::<Micro>();
    check::<Checked>();
    check::<Checked<RealTime>>();
}

fn batches_go_to_quick_lists<C: Config>() {
    with_heap::<C>(1 << 20, |heap| {
        // Batches go to and from the lists. There are no lists for the larger sizes.
        for (size, cached) in [(40, 10), (1000, 10), (1100, 0)] {
            let batch = batch_of(heap, size, 10);
            let blocks: HashSet<_> = batch.iter().collect();
            free(heap, size, batch);
            let report = heap.verify().unwrap();
            assert_eq!(report.cached_blocks, cached, "{size}");
            assert_eq!(report.used_bytes, 0);
            let batch = batch_of(heap, size, 10);
            assert_eq!(batch.iter().collect::<HashSet<_>>(), blocks);
            assert_eq!(heap.verify().unwrap().cached_blocks, 0);
            free(heap, size, batch);
            heap.flush();
        }
        // The lists take no more than their limit.
        let batch = batch_of(heap, 40, 2000);
        free(heap, 40, batch);
        let cached = heap.verify().unwrap().cached_bytes;
        assert!(cached <= (1 << 20) / 16, "{cached}");
    });
}

#[test]
fn a_batch_goes_to_a_quick_list() {
    batches_go_to_quick_lists::<Compact>();
    batches_go_to_quick_lists::<Checked>();
}

#[test]
fn a_batch_lies_in_a_row() {
    with_heap::<RealTime>(10_000, |heap| {
        let batch = batch_of(heap, 40, 10);
        let addrs: Vec<_> = batch.iter().map(|block| block.addr().get()).collect();
        assert!(addrs.windows(2).all(|pair| pair[1] == pair[0] + 40), "{addrs:?}");
        free(heap, 40, batch);
    });
}

#[test]
fn a_batch_is_as_large_as_there_is_room() {
    with_heap::<RealTime>(10_000, |heap| {
        let batch = batch_of(heap, 1000, 100);
        assert!((8..10).contains(&batch.len()), "{}", batch.len());
        assert!(batch_of(heap, 1000, 100).is_empty());
        assert!(heap.backend().malloc_from_arenas(layout(1000)).is_err());
        free(heap, 1000, batch);
        assert!(batch_of(heap, 1000, 0).is_empty());
        free(heap, 1000, Batch::EMPTY);
    });
}

fn blocks_from_arenas_are_like_any_others<C: Config>() {
    with_heap::<C>(100_000, |heap| {
        // SAFETY: Each block is freed once, with its layout.
        unsafe {
            // Some blocks are cached, so that the heap has a choice.
            let stored: Vec<_> = (0..9).map(|_| heap.malloc(layout(40)).unwrap()).collect();
            let between: Vec<_> = (0..9).map(|_| heap.malloc(layout(48)).unwrap()).collect();
            stored.into_iter().for_each(|block| heap.free(block, layout(40)));
            for align in [1, 8, 16, 64, 512] {
                let layout = Layout::from_size_align(40, align).unwrap();
                let before = heap.verify().unwrap().used_bytes;
                let (block, _) = heap.backend().malloc_from_arenas(layout).unwrap();
                assert_eq!(block.addr().get() % align, 0);
                assert_eq!(heap.verify().unwrap().used_bytes, before + 40);
                block.write_bytes(0xAA, 40);
                heap.free(block, layout);
                assert_eq!(heap.verify().unwrap().used_bytes, before);
            }
            between.into_iter().for_each(|block| heap.free(block, layout(48)));
        }
    });
}

#[test]
fn blocks_from_arenas_are_like_any_others_of_any_heap() {
    blocks_from_arenas_are_like_any_others::<Compact>();
    blocks_from_arenas_are_like_any_others::<RealTime>();
    blocks_from_arenas_are_like_any_others::<Micro>();
    blocks_from_arenas_are_like_any_others::<Checked>();
}

#[test]
fn cached_blocks_are_coalesced_before_malloc_from_arenas_fails() {
    with_heap::<Compact>(400_000, |heap| {
        let batch = batch_of(heap, 40, 12_000);
        assert!(batch.len() > 8000);
        let blocks: Vec<_> = batch.iter().collect();
        // SAFETY: Each block is freed once, with its layout.
        blocks.into_iter().for_each(|block| unsafe { heap.free(block, layout(40)) });
        let report = heap.verify().unwrap();
        assert!(report.cached_bytes > 0);
        // This is more than any free chunk has, but less than the free bytes in total.
        let all = layout(report.free_bytes - 16);
        let (block, _) = heap.backend().malloc_from_arenas(all).unwrap();
        assert!(heap.verify().unwrap().used_bytes >= all.size());
        // SAFETY: Each block is freed once, with its layout.
        unsafe { heap.free(block, all) };
    });
}

#[test]
fn malloc_from_arenas_tells_which_bytes_may_not_be_zero() {
    let mut memory = vec![0_u8; 100_000];
    let mut heap = Talloc::<RealTime>::with_config();
    let large = layout(40_000);
    // SAFETY: The memory is zero and outlives the heap. Nothing else uses it. The blocks are freed once.
    unsafe {
        heap.arenas_mut().claim_as(Span::from(memory.as_mut_slice()), Memory::ZEROED).unwrap();
        let (block, dirty) = heap.backend().malloc_from_arenas(large).unwrap();
        assert!(dirty <= 4096, "{dirty}");
        assert!((dirty..large.size()).all(|at| block.add(at).read() == 0));
        heap.free(block, large);
        let (block, dirty) = heap.backend().malloc_from_arenas(large).unwrap();
        assert!((large.size() - 8..=large.size()).contains(&dirty), "{dirty}");
        heap.free(block, large);
    }
}

#[test]
fn batches_of_several_arenas_are_freed_to_each() {
    let mut memory = vec![0_u8; 20_000];
    let (lower, upper) = {
        let whole = Span::from(memory.as_mut_slice());
        whole.split_at(whole.base().unwrap() + 10_000)
    };
    let mut heap = Talloc::<RealTime>::with_config();
    // SAFETY: The memory outlives the heap, and nothing else uses it.
    unsafe {
        heap.claim(lower).unwrap();
        heap.claim(upper).unwrap();
    }
    let mut all = batch_of(&mut heap, 64, 400);
    while let Ok((block, _)) = heap.backend().malloc_from_arenas(layout(64)) {
        // SAFETY: The block has this size, and is not used any more.
        unsafe { all.push(block) };
    }
    assert_eq!(heap.inspect().verify_batch(64, &all), Ok(()));
    let block = all.first().unwrap();
    let reach = heap.inspect().reach_of(block.addr().get());
    assert!(lower.contains_span(reach) || upper.contains_span(reach));
    assert!(heap.inspect().reach_of(8).is_empty());
    free(&mut heap, 64, all);
    assert_eq!(heap.verify().unwrap().used_bytes, 0);
}

#[test]
fn a_broken_batch_is_detected() {
    with_heap::<RealTime>(10_000, |heap| {
        let batch = batch_of(heap, 64, 5);
        let block = batch.first().unwrap();
        // SAFETY: This is the first block of a list. The batch claims more blocks than there are.
        let longer = unsafe { Batch::from_first(block, 6) };
        assert_eq!(heap.inspect().verify_batch(64, &longer), Err(Violation::CachedCount));
        let addr = block.addr().get();
        free(heap, 64, batch);
        // SAFETY: This is a block of the heap. Only its first word is read.
        let freed = unsafe { Batch::from_first(block, 1) };
        assert_eq!(heap.inspect().verify_batch(64, &freed), Err(Violation::CachedBlock { addr }));
    });
}

#[test]
fn absurd_batches_are_limited_by_the_memory() {
    with_heap::<Compact>(1 << 16, |heap| {
        for size in [usize::MAX, usize::MAX - 7, isize::MAX as usize + 1, isize::MAX as usize] {
            assert!(batch_of(heap, size, 2).is_empty(), "{size}");
        }
        // Blocks of three granules, with a total length that overflows.
        let batch = batch_of(heap, 24, usize::MAX / 3 + 1);
        assert_eq!(heap.inspect().verify_batch(24, &batch), Ok(()));
        assert!(batch.len() > 1000, "{}", batch.len());
        free(heap, 24, batch);
    });
}

#[test]
fn a_checked_heap_frees_the_blocks_that_it_knows_and_reports_another() {
    let mut heap = Talloc::<Checked<Compact, Note>>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it. The heap knows one of the blocks, and does not free the
    // other.
    let (block, other) = unsafe {
        heap.claim(crate::common::memory(1 << 16)).unwrap();
        let [block, other] = [64, 16].map(|size| heap.malloc(layout(size)).unwrap());
        let mut batch = Batch::EMPTY;
        batch.push(block.add(16));
        batch.push(other);
        heap.backend().free_batch(16, batch);
        (block, other)
    };
    let found = found();
    assert!(matches!(found[..], [Misuse { fault: Fault::NotABlock { .. }, .. }]), "{found:?}");
    assert!(heap.verify().is_ok());
    assert!(heap.inspect().check(other, layout(16)).is_err());
    assert!(heap.inspect().check(block, layout(64)).is_ok());
}
