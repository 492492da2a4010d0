//! Heaps with memory from the operating system.
#![cfg(all(feature = "system", any(unix, windows)))]

mod common;

use std::alloc::Layout;
use std::ptr::NonNull;

use talloc_global::config::Micro;
use talloc_global::source::SystemSource;
use talloc_global::*;

#[global_allocator]
static ALLOCATOR: SystemTallock = SystemTallock::new();

/// Creates a heap that only the test uses.
fn heap<C: Config>() -> OwnedTalloc<C, SystemSource> {
    Talloc::with_source(SystemSource::new())
}

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// Allocates `n` blocks of `size` bytes, and writes all of them.
fn fill<C: Config>(heap: &mut Talloc<C, SystemSource>, n: usize, size: usize) -> Vec<NonNull<u8>> {
    let blocks: Vec<_> = (0..n)
        // SAFETY: The size is not zero, and all accesses are within the block.
        .map(|i| unsafe {
            let block = heap.malloc(bytes(size)).unwrap();
            block.write_bytes(i as u8, size);
            block
        })
        .collect();
    for (i, block) in blocks.iter().enumerate() {
        // SAFETY: The blocks were initialised above.
        let content = unsafe { NonNull::slice_from_raw_parts(*block, size).as_ref() };
        assert!(content.iter().all(|byte| *byte == i as u8));
    }
    blocks
}

#[test]
fn threads_share_the_heap() {
    common::hammer(8, 20_000);
    // The lock is released before a panic, which allocates.
    let verified = ALLOCATOR.0.lock().verify();
    verified.unwrap();
}

#[test]
fn nothing_is_reserved_before_the_first_use() {
    let heap = heap::<Compact>();
    assert_eq!(heap.arenas().count(), 0);
    assert_eq!(format!("{:?}", heap.source()), format!("{:?}", SystemSource::default()));
}

#[test]
fn one_arena_grows_with_what_is_allocated() {
    let mut heap = heap::<Compact>();
    let (n, size) = (1000, 40_000);
    let blocks = fill(&mut heap, n, size);
    let report = heap.verify().unwrap();
    assert_eq!((report.arenas, report.used_bytes), (1, n * size));
    // The arena is at most half as large again as the peak, plus one step.
    assert!(report.arena_bytes < 2 * n * size, "{report:?}");

    // SAFETY: The heap allocated all of these blocks, and each is freed once.
    blocks.iter().for_each(|block| unsafe { heap.free(*block, bytes(size)) });
    heap.flush();
    assert_eq!(heap.verify().unwrap().free_chunks, 1);
    fill(&mut heap, n, size);
    assert_eq!(heap.verify().unwrap().arena_bytes, report.arena_bytes);
}

#[test]
fn links_with_a_short_reach_need_several_arenas() {
    let mut heap = heap::<Micro>();
    let (n, size) = (100, 100_000);
    let blocks = fill(&mut heap, n, size);
    let report = heap.verify().unwrap();
    assert!(report.arenas > n * size / (512 << 10), "{report:?}");

    // SAFETY: The heap allocated all of these blocks, and each is freed once.
    blocks.iter().for_each(|block| unsafe { heap.free(*block, bytes(size)) });
    heap.flush();
    let report = heap.verify().unwrap();
    assert_eq!((report.free_chunks, report.used_bytes), (report.arenas, 0));
    for arena in heap.arenas().collect::<Vec<_>>() {
        heap.arena(arena).and_then(|arena| arena.release()).unwrap();
    }
    // The rest of the last reservation becomes a new arena.
    fill(&mut heap, 10, size);
    assert!(heap.verify().is_ok());
}

#[test]
fn arenas_in_which_nothing_is_allocated_are_unmapped() {
    let mut heap = heap::<Micro>();
    let size = 100_000;
    let mut blocks = fill(&mut heap, 100, size);
    let arenas = heap.verify().unwrap().arenas;
    let last = blocks.split_off(90);
    // SAFETY: The heap allocated all of these blocks, and each is freed once.
    blocks.iter().for_each(|block| unsafe { heap.free(*block, bytes(size)) });
    heap.trim();
    let left = heap.verify().unwrap().arenas;
    assert!(left <= arenas / 10 + 2, "{left} of {arenas} arenas are left");
    // SAFETY: The heap allocated all of these blocks, and each is freed once.
    last.iter().for_each(|block| unsafe { heap.free(*block, bytes(size)) });
    heap.trim();
    assert_eq!(heap.verify().unwrap().arenas, 1);
    fill(&mut heap, 100, size);
    assert_eq!(heap.verify().unwrap().arenas, arenas);
}

#[test]
fn the_largest_arena_is_the_limit_of_a_block() {
    let mut heap = heap::<Micro>();
    fill(&mut heap, 3, 1000);
    // SAFETY: `malloc` has no preconditions.
    unsafe {
        assert!(heap.malloc(bytes(400_000)).is_ok());
        assert!(heap.malloc(bytes(600_000)).is_err());
    }
    fill(&mut heap, 3, 1000);
    assert!(heap.verify().is_ok());
}

#[test]
fn an_arena_that_was_taken_away_is_not_extended() {
    let mut heap = heap::<Compact>();
    let blocks = fill(&mut heap, 1, 1000);
    // SAFETY: The heap allocated the block, and it is freed once.
    unsafe { heap.free(blocks[0], bytes(1000)) };
    let arena = heap.get_arena();
    heap.arena(arena).and_then(|arena| arena.release()).unwrap();
    fill(&mut heap, 1, 1000);
    assert!(!heap.get_arena().overlaps(arena));
}

/// On smaller machines, the system may be able to provide half of the address space.
#[test]
#[cfg(target_pointer_width = "64")]
fn absurd_layouts_are_refused_and_cost_nothing() {
    let mut heap = heap::<Compact>();
    let most = isize::MAX as usize;
    for (size, align) in
        [(most - 7, 8), (most / 2, 8), (8, 1 << (usize::BITS - 2)), (1, most / 2 + 1)]
    {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: `malloc` has no preconditions.
        assert_eq!(unsafe { heap.malloc(layout) }, Err(AllocError), "{layout:?}");
    }
    assert_eq!(heap.arenas().count(), 0);
}

#[test]
fn more_than_is_reserved_at_a_time_is_served_or_refused() {
    let mut heap = heap::<Compact>();
    fill(&mut heap, 10, 1000);
    let size = usize::try_from(20_u64 << 30).unwrap_or(isize::MAX as usize - 7);
    // SAFETY: `malloc` has no preconditions.
    let served = unsafe { heap.malloc(bytes(size)) }.is_ok();
    let used = heap.verify().unwrap().used_bytes;
    assert_eq!(used, 10 * 1000 + if served { size } else { 0 });
    fill(&mut heap, 10, 1000);
    assert!(heap.verify().is_ok());
}

#[test]
fn large_alignments_are_met() {
    let mut heap = heap::<Compact>();
    for align in (3..26).map(|log2| 1 << log2) {
        let layout = Layout::from_size_align(100, align).unwrap();
        // SAFETY: `malloc` has no preconditions.
        let block = unsafe { heap.malloc(layout) }.unwrap();
        assert_eq!(block.addr().get() % align, 0);
    }
    assert!(heap.verify().is_ok());
}

#[test]
fn large_blocks_of_zeros_are_not_cleared() {
    let mut heap = heap::<Compact>();
    for size in [1 << 20, 1 << 24, 1 << 28] {
        // SAFETY: `malloc_dirty` has no preconditions.
        let (block, dirty) = unsafe { heap.backend().malloc_dirty(bytes(size)) }.unwrap();
        assert!(dirty <= 8192, "{dirty} of {size}");
        // SAFETY: The access is within the block. Bytes that are not dirty are zero, and so initialised.
        let zeros =
            unsafe { NonNull::slice_from_raw_parts(block.add(dirty), size - dirty).as_ref() };
        assert!(zeros.iter().step_by(4096).all(|byte| *byte == 0));
    }
}
