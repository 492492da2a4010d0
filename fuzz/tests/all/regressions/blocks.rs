//! Blocks that are shrunk, heaps that are moved, and absurd layouts.

use talloc_core::{Config, Talloc};
use talloc_fuzz::{Limits, Pool};

use crate::regressions::{each_config, layout, malloc, report};

each_config! {
    fn shrinking_releases_memory<C: Config>() {
        let pool = Pool::new(16 << 10);
        let limits = Limits::of::<C>();
        for (old, new) in [(4096, 2048), (4096, 1), (1000, 992), (600, 599), (64, 24), (40, 0)] {
            let mut heap = Talloc::<C>::with_config();
            // SAFETY: Nothing else uses the memory of the pool, and the block is allocated with this layout.
            unsafe {
                heap.init(pool.span());
                let block = malloc(&mut heap, layout(old, 8)).expect("there is room");
                // Allocates all other memory.
                while malloc(&mut heap, layout(64, 8)).is_ok() {}
                while malloc(&mut heap, layout(1, 8)).is_ok() {}
                let full = report(&heap).used_bytes;
                heap.shrink(block, layout(old, 8), new);
                let released = limits.rounded(old) - limits.rounded(new);
                assert_eq!(report(&heap).used_bytes, full - released);
                heap.flush();
                if released >= limits.min_block {
                    let tail = malloc(&mut heap, layout(released, 8)).expect("it was released");
                    assert_eq!(tail, block.add(limits.rounded(new)));
                    heap.free(tail, layout(released, 8));
                    heap.flush();
                }
                // The block can grow into its tail again.
                let back = limits.rounded(old);
                heap.grow_in_place(block, layout(new, 8), back).expect("the tail is free");
                assert_eq!(report(&heap).used_bytes, full);
            }
        }
    }

    fn a_heap_is_used_after_it_was_moved<C: Config>() {
        let pool = Pool::new(64 << 10);
        let mut heaps = Vec::with_capacity(1);
        let mut heap = Talloc::<C>::with_config();
        // SAFETY: Nothing else uses the memory of the pool.
        unsafe {
            heap.init(pool.at(1000, 4000));
            heap.claim(pool.at(10_000, 30_000)).expect("the arena is valid");
        }
        let mut blocks = Vec::new();
        for round in 0..200 {
            // The heap is moved into a box, out of it, and when the vector moves.
            heap = *Box::new(heap);
            heaps.push(heap);
            heaps.shrink_to_fit();
            heaps.reserve_exact(1 + round % 3);
            heap = heaps.pop().expect("the heap was just pushed");
            let size = 8 + round * 7 % 90;
            match malloc(&mut heap, layout(size, 8)) {
                Ok(block) => blocks.push((block, layout(size, 8))),
                Err(error) => panic!("{error}"),
            }
            if round % 3 == 2 {
                let (block, layout) = blocks.swap_remove(round % blocks.len());
                // SAFETY: The block is allocated with this layout.
                unsafe { heap.free(block, layout) };
            }
            report(&heap);
        }
        for (block, layout) in blocks {
            // SAFETY: The block is allocated with this layout.
            unsafe { heap.free(block, layout) };
        }
        heap.flush();
        assert_eq!(report(&heap).free_chunks, 2);
    }

    fn absurd_layouts_are_refused<C: Config>() {
        let pool = Pool::new(64 << 10);
        for size in [0, 200, 5000, 60_000] {
            let mut heap = Talloc::<C>::with_config();
            // SAFETY: Nothing else uses the memory of the pool.
            unsafe { heap.init(pool.at(500, 500 + size)) };
            let block = malloc(&mut heap, layout(24, 8));
            heap.flush();
            let before = report(&heap);
            for align_log2 in 0..usize::BITS - 1 {
                let align = 1 << align_log2;
                let largest = isize::MAX as usize - (align - 1);
                for size in [largest, largest - 7, largest / 2, 1 << (usize::BITS - 2), 1] {
                    if size > largest || size == 1 && align <= 1 << 16 {
                        continue;
                    }
                    assert!(malloc(&mut heap, layout(size, align)).is_err());
                    assert_eq!(report(&heap), before);
                }
            }
            let Ok(block) = block else { continue };
            let largest = isize::MAX as usize - 7;
            for size in [largest, largest - 7, largest / 2, 1 << 20] {
                // SAFETY: The block is allocated with this layout, and the new size is larger.
                unsafe {
                    assert!(heap.grow(block, layout(24, 8), size).is_err());
                    assert!(heap.grow_in_place(block, layout(24, 8), size).is_err());
                }
                assert_eq!(report(&heap), before);
            }
        }
    }

    fn freed_arenas_are_one_chunk_each<C: Config>() {
        let pool = Pool::new(128 << 10);
        let mut random = fastrand::Rng::with_seed(5);
        let mut heap = Talloc::<C>::with_config();
        // SAFETY: Nothing else uses the memory of the pool.
        unsafe {
            heap.init(pool.at(1003, 20_000));
            for (start, end) in [(20_000, 50_001), (60_000, 80_000), (80_000, 120_005)] {
                heap.claim(pool.at(start, end)).expect("the arena is valid");
            }
        }
        let empty = report(&heap);
        for round in 0..10 {
            let mut blocks = Vec::new();
            loop {
                let layout = layout(random.usize(1..400), 1 << random.u32(0..8));
                match malloc(&mut heap, layout) {
                    Ok(block) => blocks.push((block, layout)),
                    Err(_) => break,
                }
            }
            assert!(blocks.len() > 100, "{}", blocks.len());
            random.shuffle(&mut blocks);
            for (block, layout) in blocks {
                // SAFETY: The block is allocated with this layout.
                unsafe { heap.free(block, layout) };
            }
            heap.flush();
            let after = report(&heap);
            assert_eq!(after.free_chunks, 4, "round {round}: {after:?}");
            assert_eq!(after.free_bytes, empty.free_bytes);
        }
    }
}
