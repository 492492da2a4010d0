//! Regions: memory that is available from the start.

use std::alloc::Layout;

use talloc_global::config::{Micro, Tiny};
use talloc_global::*;

const WORDS: Layout = Layout::new::<[u64; 8]>();

/// Allocates blocks until a request fails.
fn exhaust<S: Source<Compact>>(
    heap: &mut Talloc<Compact, S>,
    layout: Layout,
) -> Vec<std::ptr::NonNull<u8>> {
    // SAFETY: `malloc` has no preconditions.
    std::iter::from_fn(|| unsafe { heap.malloc(layout) }.ok()).collect()
}

#[test]
fn the_region_is_claimed_on_first_use() {
    static ARENA: StaticArena<4096> = StaticArena::new();
    let mut heap = Talloc::<Compact, _>::with_source(ARENA.region());
    assert!(heap.get_arena().is_empty());
    // SAFETY: `malloc` has no preconditions.
    let block = unsafe { heap.malloc(WORDS) }.unwrap();
    assert_eq!(heap.get_arena().size(), 4096);
    assert!(heap.get_arena().contains_ptr(block.as_ptr()));
    assert_eq!(heap.verify().unwrap().used_bytes, WORDS.size());
}

#[test]
fn a_full_region_errs_and_serves_again_when_something_is_freed() {
    static ARENA: StaticArena<4096> = StaticArena::new();
    let mut heap = Talloc::<Compact, _>::with_source(ARENA.region());
    let blocks = exhaust(&mut heap, WORDS);
    // The bitmap takes a 64th. With rounding, this is less than two blocks.
    assert!(blocks.len() >= 4096 / WORDS.size() - 2, "{}", blocks.len());
    assert_eq!(heap.verify().unwrap().arenas, 1);
    // SAFETY: The heap allocated these blocks, and each is freed once.
    unsafe {
        blocks.iter().skip(1).for_each(|block| heap.free(*block, WORDS));
        assert!(heap.malloc(Layout::new::<[u8; 3000]>()).is_ok());
        assert!(heap.malloc(Layout::new::<[u8; 3000]>()).is_err());
    }
    assert!(heap.verify().is_ok());
}

#[cfg(feature = "spin")]
#[test]
fn only_one_of_two_heaps_gets_the_same_arena() {
    static ARENA: StaticArena<4096> = StaticArena::new();
    use std::alloc::GlobalAlloc;
    static HEAPS: [StaticTalloc; 2] = [StaticTalloc::new(&ARENA), StaticTalloc::new(&ARENA)];
    // SAFETY: The size is not zero.
    let served = HEAPS.iter().filter(|heap| !unsafe { heap.alloc(WORDS) }.is_null()).count();
    assert_eq!(served, 1);
}

#[test]
fn many_heaps_race_for_one_arena() {
    static ARENA: StaticArena<4096> = StaticArena::new();
    let serves = || {
        let mut heap = Talloc::<Compact, _>::with_source(ARENA.region());
        // SAFETY: `malloc` has no preconditions.
        unsafe { heap.malloc(WORDS) }.is_ok()
    };
    let served = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(serves)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|served| *served).count()
    });
    assert_eq!(served, 1);
}

#[test]
fn any_array_will_do() {
    fn blocks<const N: usize>(offset: usize) -> usize {
        let mut memory = [[0xaa_u8; N]; 3];
        let array = (&raw mut memory).cast::<u8>().wrapping_add(N + offset).cast::<[u8; N]>();
        // SAFETY: The array lies within the memory, and nothing else uses it.
        let region = unsafe { Region::of_array(array) };
        let mut heap = Talloc::<Compact, _>::with_source(region);
        let blocks = exhaust(&mut heap, Layout::new::<u64>()).len();
        assert!(heap.verify().is_ok());
        let bytes = memory.as_flattened();
        assert!(bytes[..N + offset].iter().all(|byte| *byte == 0xaa), "written below");
        assert!(bytes[2 * N + offset..].iter().all(|byte| *byte == 0xaa), "written above");
        blocks
    }
    for offset in 0..9 {
        assert_eq!([blocks::<0>(0), blocks::<1>(0), blocks::<7>(0)], [0; 3]);
        assert!(blocks::<64>(offset) >= 1);
        assert!(blocks::<1001>(offset) >= 1000 / 16 - 4);
    }
}

#[test]
fn bounds_in_the_wrong_order_are_no_memory() {
    let mut memory = [0_u8; 1000];
    let range = memory.as_mut_ptr_range();
    // SAFETY: The region is empty.
    let region = unsafe { Region::new(range.end..range.start) };
    let mut heap = Talloc::<Compact, _>::with_source(region);
    assert!(exhaust(&mut heap, WORDS).is_empty());
}

#[test]
fn a_region_serves_any_configuration() {
    static SMALL: StaticArena<{ 256 << 10 }> = StaticArena::new();
    static LARGE: StaticArena<{ 1 << 20 }> = StaticArena::new();
    let serves = |region| {
        let mut heap = Talloc::<Micro, Region>::with_source(region);
        // SAFETY: `malloc` has no preconditions.
        unsafe { heap.malloc(WORDS) }.is_ok()
    };
    assert!(serves(SMALL.region()));
    assert!(serves(LARGE.region()));
}

#[test]
fn debug_shows_what_there_is() {
    static ARENA: StaticArena<4096> = StaticArena::new();
    assert_eq!(format!("{ARENA:?}"), "StaticArena { size: 4096, .. }");
    let mut heap = Talloc::<Compact, _>::with_source(ARENA.region());
    assert!(format!("{:?}", heap.source()).starts_with("Region { memory: Some("));
    // SAFETY: `malloc` has no preconditions.
    unsafe { heap.malloc(WORDS) }.unwrap();
    assert_eq!(format!("{:?}", heap.source()), "Region { memory: None }");
}

/// A region beyond the reach of links becomes several arenas. With a single arena, a part of it is used.
#[test]
fn a_region_beyond_the_links_is_used() {
    fn used<C: Config>(kib: usize) -> usize {
        let memory = vec![0_u64; kib * 128].leak().as_mut_ptr().cast::<u8>();
        // SAFETY: The memory is leaked, and nothing else uses it.
        let region = unsafe { Region::new(memory..memory.wrapping_add(kib << 10)) };
        let mut heap = Talloc::<C, _>::with_source(region);
        let layout = WORDS;
        // SAFETY: `malloc` has no preconditions.
        while unsafe { heap.malloc(layout) }.is_ok() {}
        heap.verify().unwrap().used_bytes
    }
    for kib in [500, 510, 511, 600, 1200] {
        let bytes = used::<Micro>(kib);
        assert!(bytes > (kib << 10) * 97 / 100, "{bytes} of {kib} KiB");
        let bytes = used::<Tiny>(kib);
        assert!(bytes > (kib.min(509) << 10) * 97 / 100, "{bytes} of {kib} KiB");
    }
}
