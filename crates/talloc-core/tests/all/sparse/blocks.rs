//! Blocks of gigabytes.

use talloc_core::{Compact, Config, Memory, Talloc};

use crate::common::layout;
use crate::common::sparse::Sparse;
use crate::sparse::{GIB, KIB, MIB, Plain, check, free, heap, malloc, mark, settled};

/// Adjacent blocks of gigabytes, freed in every order.
fn large_blocks<C: Config>() {
    let memory = Sparse::new(14 * GIB);
    let mut heap = heap::<C>(memory.span());
    let free_bytes = settled(&mut heap).free_bytes;
    let sizes = [GIB, 3 * GIB, 5 * GIB];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let blocks = sizes.map(|size| malloc(&mut heap, size).unwrap());
        let last = malloc(&mut heap, 8).unwrap();
        for number in 0..3 {
            mark(blocks[number], sizes[number], number as u8 + 1);
        }
        assert_eq!(heap.verify().unwrap().used_bytes, 9 * GIB + 16);
        assert!(malloc(&mut heap, 5 * GIB).is_none());
        for number in order {
            check(blocks[number], sizes[number], number as u8 + 1);
            free(&mut heap, blocks[number], sizes[number]);
            // The freed chunk serves the next request of its size.
            let again = malloc(&mut heap, sizes[number]).unwrap();
            free(&mut heap, again, sizes[number]);
            heap.verify().unwrap();
        }
        assert!(settled(&mut heap).largest_free_bytes >= 9 * GIB);
        free(&mut heap, last, 8);
        let report = settled(&mut heap);
        assert_eq!((report.free_chunks, report.free_bytes), (1, free_bytes));
    }
    // Apart from the bitmap, hardly any memory is touched.
    assert!(memory.touched() <= 10 * GIB / 64 + MIB, "{:#x}", memory.touched());
}

#[test]
fn blocks_of_gigabytes() {
    large_blocks::<Compact>();
}

#[test]
fn blocks_of_gigabytes_without_quick_lists() {
    large_blocks::<Plain>();
}

#[test]
fn holes_around_four_gigabytes_are_met_exactly() {
    let memory = Sparse::new(18 * GIB);
    let mut heap = heap::<Plain>(memory.span());
    let sizes = [4 * GIB - 8, 4 * GIB, 4 * GIB + 8];
    let holes = sizes.map(|size| {
        let hole = malloc(&mut heap, size).unwrap();
        // The small block prevents coalescing.
        malloc(&mut heap, 16).unwrap();
        hole
    });
    let top = heap.verify().unwrap().top_bytes;
    assert!(malloc(&mut heap, top).is_some());
    for (hole, size) in holes.into_iter().zip(sizes) {
        free(&mut heap, hole, size);
        assert!(malloc(&mut heap, size + 8).is_none(), "{size:#x}");
        assert_eq!(malloc(&mut heap, size), Some(hole));
        assert_eq!(heap.verify().unwrap().free_bytes, 0);
    }
}

/// A block that grows and shrinks in place, up to and beyond 4 GiB.
fn growth<C: Config>() {
    let memory = Sparse::new(8 * GIB);
    let mut heap = heap::<C>(memory.span());
    let sizes = [600, GIB, 3 * GIB, 4 * GIB - 8, 4 * GIB, 4 * GIB + 8, 5 * GIB, 7 * GIB];
    let block = malloc(&mut heap, sizes[0]).unwrap();
    mark(block, sizes[0], 7);
    for pair in sizes.windows(2) {
        let [old, new] = [pair[0], pair[1]];
        // SAFETY: The block has the old size.
        let grown = unsafe { heap.grow(block, layout(old, 8), new) };
        assert_eq!(grown, Ok(block));
        mark(block, new, 7);
        assert_eq!(settled(&mut heap).used_bytes, new);
    }
    let mut size = sizes[7];
    // SAFETY: The block has this size.
    unsafe {
        assert!(heap.grow(block, layout(size, 8), 8 * GIB).is_err());
        assert!(heap.grow_in_place(block, layout(size, 8), 8 * GIB).is_err());
        assert!(heap.grow(block, layout(size, 8), 40 * GIB).is_err());
    }
    for new in sizes.into_iter().rev() {
        check(block, size, 7);
        // SAFETY: The block has the old size.
        unsafe { heap.shrink(block, layout(size, 8), new) };
        mark(block, new, 7);
        size = new;
        assert_eq!(settled(&mut heap).used_bytes, new);
    }
    check(block, size, 7);
    free(&mut heap, block, size);
    assert_eq!(settled(&mut heap).free_chunks, 1);
}

#[test]
fn blocks_grow_and_shrink_over_four_gigabytes() {
    growth::<Compact>();
    growth::<Plain>();
}

#[test]
fn blocks_of_zeros_are_not_touched() {
    let memory = Sparse::new(6 * GIB);
    let mut heap = Talloc::new();
    // SAFETY: The memory has not been touched, so it is zero. It outlives the heap.
    let (block, dirty) = unsafe {
        heap.arenas_mut().claim_as(memory.span(), Memory::ZEROED).unwrap();
        heap.backend().malloc_dirty(layout(5 * GIB, 8)).unwrap()
    };
    assert!(dirty <= 8 * KIB, "{dirty}");
    check(block, 5 * GIB, 0);
    assert!(memory.touched() <= 6 * GIB / 64 + MIB, "{:#x}", memory.touched());
}
