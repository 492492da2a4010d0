//! The faults that each measure detects.

use std::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{
    Call, Compact, Fault, Harden, Hardened, Memory, Micro, Misuse, RealTime, Talloc,
};

use crate::common::found::Note;
use crate::common::{layout, memory, part};
use crate::hardened::{
    All, Delays, Even, Filled, Fresh, Patient, Shuffled, Standard, Tails, Zeros, faults, found,
    free, heap, heap_of, malloc, overwrite,
};

#[test]
fn an_overflow_into_the_slack_is_found() {
    for size in 1..100 {
        let mut heap = heap::<Hardened<Compact, Standard, Note>>(1 << 16);
        let (block, _above) = (malloc(&mut heap, size), malloc(&mut heap, 40));
        let slack = size.max(16).next_multiple_of(8) - size;
        for wrong in 0..slack {
            // SAFETY: The byte is within the block's chunk.
            let old = unsafe { block.add(size + wrong).read() };
            overwrite(block, (size + wrong) as isize, &[old ^ 0x10]);
            free(&mut heap, block, size);
            assert!(matches!(faults()[..], [Fault::Overflow { .. }]), "{size} + {wrong}");
            overwrite(block, (size + wrong) as isize, &[old]);
        }
        free(&mut heap, block, size);
        assert_eq!(faults(), [], "{size}");
        assert!(heap.verify().is_ok());
    }
}

#[test]
fn an_overflow_of_a_full_granule_is_found_by_its_tail() {
    for size in 1..100 {
        let mut heap = heap::<Hardened<Compact, Tails, Note>>(1 << 16);
        let (block, _above) = (malloc(&mut heap, size), malloc(&mut heap, 40));
        let end = (size + 8).max(16).next_multiple_of(8);
        // SAFETY: This is the first byte of the tail.
        let old = unsafe { block.add(end - 8).read() };
        overwrite(block, end as isize - 8, &[!old]);
        free(&mut heap, block, size);
        assert!(matches!(faults()[..], [Fault::Overflow { .. }]), "{size}");
    }
}

#[test]
fn an_underflow_is_found_by_the_tail_below() {
    for size in [1, 24, 100, 400] {
        let mut heap = heap::<Hardened<Compact, Tails, Note>>(1 << 16);
        let [one, other] = [(); 2].map(|()| malloc(&mut heap, size));
        let (below, block) = (one.min(other), one.max(other));
        // SAFETY: This is the last byte of the tail of the block below.
        let old = unsafe { block.sub(1).read() };
        overwrite(block, -1, &[!old]);
        free(&mut heap, block, size);
        assert!(matches!(faults()[..], [Fault::Underflow { .. }]), "{size}");
        free(&mut heap, block, size);
        assert!(matches!(faults()[..], [Fault::AlreadyFree { .. }]), "{size}: the block was freed");
        free(&mut heap, below, size);
        assert!(matches!(faults()[..], [Fault::Overflow { .. }]), "{size}");
        overwrite(block, -1, &[old]);
        free(&mut heap, below, size);
        assert_eq!(faults(), []);
        assert!(heap.verify().is_ok());
    }
}

#[test]
fn a_write_to_the_link_of_the_last_freed_block_is_found() {
    let mut heap = heap::<Hardened<Compact, Delays, Note>>(1 << 16);
    let [last, next] = [(); 2].map(|()| malloc(&mut heap, 64));
    free(&mut heap, last, 64);
    overwrite(last, 0, &[0x41; 8]);
    free(&mut heap, next, 64);
    assert_eq!(faults(), [Fault::Broken]);
}

#[test]
fn a_size_that_takes_the_same_granules_is_found() {
    let mut heap = heap::<Hardened<Compact, Tails, Note>>(1 << 16);
    let block = malloc(&mut heap, 35);
    free(&mut heap, block, 36);
    assert!(matches!(faults()[..], [Fault::Overflow { .. }]));
    assert_eq!(heap.inspect().size_of_block(block), Ok(35));
    free(&mut heap, block, 35);
    assert_eq!(faults(), []);
}

#[test]
fn a_write_to_a_freed_block_is_found_when_it_is_used_again() {
    for at in (8..64).step_by(8) {
        let mut heap = heap::<Hardened<Compact, Standard, Note>>(1 << 16);
        let block = malloc(&mut heap, 64);
        free(&mut heap, block, 64);
        overwrite(block, at, b"written");
        assert_eq!(malloc(&mut heap, 64), block, "the lists are last in, first out");
        let [Misuse { call: Call::Use, addr, fault: Fault::WrittenAfterFree { .. }, .. }] =
            found()[..]
        else {
            panic!("not found at {at}")
        };
        assert_eq!(addr, block.addr().get());
    }
}

#[test]
fn reuse_is_delayed_and_the_delay_ends_before_a_request_fails() {
    let mut heap = heap::<Hardened<Compact, Delays, Note>>(4096);
    let block = malloc(&mut heap, 100);
    free(&mut heap, block, 100);
    assert_ne!(malloc(&mut heap, 100), block);
    assert_eq!(heap.verify().unwrap().cached_bytes, 104);
    // SAFETY: `malloc` has no preconditions.
    let taken = core::iter::from_fn(|| unsafe { heap.malloc(layout(100, 8)) }.ok());
    assert!(taken.collect::<Vec<_>>().contains(&block));
    assert_eq!(faults(), []);
}

#[test]
fn a_write_during_the_delay_is_found() {
    let mut heap = heap::<Hardened<Compact, Delays, Note>>(1 << 16);
    let block = malloc(&mut heap, 100);
    free(&mut heap, block, 100);
    overwrite(block, 50, b"!");
    heap.flush();
    assert!(matches!(faults()[..], [Fault::WrittenAfterFree { .. }]));
    assert!(heap.verify().is_ok());
}

#[test]
fn new_blocks_are_filled() {
    let mut heap = heap::<Hardened<Compact, Fresh, Note>>(1 << 16);
    let block = malloc(&mut heap, 100);
    // SAFETY: The block has 100 bytes, and the heap has filled all of them.
    assert_eq!(unsafe { block.cast::<[u8; 100]>().read() }, [0xce; 100]);
    // SAFETY: `malloc_zeroed` has no preconditions.
    let zeroed = unsafe { heap.malloc_zeroed(layout(100, 8)) }.unwrap();
    // SAFETY: The block has 100 bytes, all zero.
    assert_eq!(unsafe { zeroed.cast::<[u8; 100]>().read() }, [0; 100]);
}

#[test]
fn an_aligned_request_checks_the_filling() {
    let mut heap = heap::<Hardened<Compact, Filled, Note>>(1 << 16);
    let layout = layout(64, 16);
    // SAFETY: The block is freed once. Writing to it afterwards is misuse, which the test needs.
    unsafe {
        let block = heap.malloc(layout).unwrap();
        heap.free(block, layout);
        block.add(20).write(1);
        assert_eq!(heap.malloc(layout), Ok(block));
    }
    assert!(matches!(faults()[..], [Fault::WrittenAfterFree { .. }]));
}

/// With measures that choose at random, some blocks of a heap are adjacent, and others are not.
#[test]
fn places_are_chosen_at_random() {
    let mut heap = heap::<Hardened<RealTime, Shuffled, Note>>(1 << 15);
    let (hole, _above) = (malloc(&mut heap, 1 << 14), malloc(&mut heap, 40));
    free(&mut heap, hole, 1 << 14);
    let end = hole.addr().get() + (1 << 14);
    let blocks = [(); 64].map(|()| malloc(&mut heap, 64).addr().get());
    let low = blocks.iter().filter(|block| **block < end - (1 << 13)).count();
    assert!(low > 8 && low < 56, "{low} of 64 blocks were cut from the lower end");

    // The lists hold all of the blocks.
    let mut heap = self::heap::<Hardened<Compact, Shuffled, Note>>(1 << 20);
    let blocks = [(); 32].map(|()| malloc(&mut heap, 64));
    for block in blocks {
        free(&mut heap, block, 64);
    }
    let again = [(); 32].map(|()| malloc(&mut heap, 64));
    let last_first = again.iter().zip(blocks.iter().rev()).filter(|(a, b)| a == b).count();
    assert!(last_first < 28, "{last_first} of 32 blocks came back last in, first out");
    assert!(heap.verify().is_ok());
    assert_eq!(faults(), []);
}

#[test]
fn resizing_checks_and_moves_the_canary() {
    let mut heap = heap::<Hardened<Compact, All, Note>>(1 << 16);
    let mut rng = Rng::with_seed(1);
    let mut size = 20;
    let mut block = malloc(&mut heap, size);
    for _ in 0..1000 {
        let new = rng.usize(1..2000);
        // SAFETY: The block has this layout.
        block = unsafe { heap.realloc(block, layout(size, 8), new) }.unwrap();
        size = new;
        assert_eq!(heap.inspect().size_of_block(block), Ok(size));
        assert!(heap.verify().is_ok());
    }
    overwrite(block, size as isize, b"overflow");
    // SAFETY: The block has this layout.
    assert!(unsafe { heap.realloc(block, layout(size, 8), 3000) }.is_err());
    assert!(matches!(faults()[..], [Fault::Overflow { .. }]));
}

#[test]
fn a_report_of_misuse_is_one_line() {
    let mut heap = heap::<Hardened<Compact, Standard, Note>>(1 << 16);
    let block = malloc(&mut heap, 30);
    overwrite(block, 30, b"x");
    free(&mut heap, block, 30);
    let text = found()[0].to_string();
    let start = format!("freeing a block of 30 bytes aligned to 8 at {block:p}: ");
    assert!(text.starts_with(&start), "{text}");
    assert!(text.contains("overwritten behind its end") && !text.contains('\n'), "{text}");
}

#[test]
fn new_blocks_are_not_taken_for_zeros() {
    let mut heap = Talloc::<Hardened<Compact, Fresh, Note>>::with_config();
    // SAFETY: The memory is leaked and zero, and nothing else uses it.
    unsafe { heap.arenas_mut().claim_as(memory(1 << 16), Memory::ZEROED) }.unwrap();
    let layout = layout(3000, 8);
    let (_, dirty) = heap.backend().malloc_from_arenas(layout).unwrap();
    assert_eq!(dirty, 3000);
    // SAFETY: `malloc_dirty` has no preconditions.
    assert_eq!(unsafe { heap.backend().malloc_dirty(layout) }.unwrap().1, 3000);
}

#[test]
fn new_blocks_are_zero_and_known_zeros_are_not_written() {
    let mut heap = Talloc::<Hardened<Compact, Zeros, Note>>::with_config();
    let memory = memory(1 << 16);
    // SAFETY: The memory is leaked and zero, and nothing else uses it.
    unsafe { heap.arenas_mut().claim_as(memory, Memory::ZEROED) }.unwrap();
    for size in [8, 100, 3000] {
        for _ in 0..2 {
            let block = malloc(&mut heap, size);
            // SAFETY: The access is within the block.
            let bytes = unsafe { NonNull::slice_from_raw_parts(block, size).as_mut() };
            assert!(bytes.iter().all(|byte| *byte == 0), "{size}");
            bytes.fill(0x5a);
            free(&mut heap, block, size);
        }
        // SAFETY: `malloc_dirty` has no preconditions.
        let (_, dirty) = unsafe { heap.backend().malloc_dirty(layout(size, 8)) }.unwrap();
        assert_eq!(dirty, 0, "it need not be cleared again");
    }
    // The heap does not write to the bytes of the block, even though the arena's memory is not zero as claimed.
    let top = part(memory, (1 << 16) - (1 << 12), 1 << 10);
    overwrite(NonNull::new(top.get_base_ptr().unwrap()).unwrap(), 0, &[0x5a]);
    let block = malloc(&mut heap, 56 << 10);
    // SAFETY: The byte is within the block.
    assert_eq!(unsafe { block.add(top.base().unwrap() - block.addr().get()).read() }, 0x5a);
}

#[test]
fn the_canary_of_an_even_block_reaches_from_its_end_to_the_next_block() {
    let mut heap = heap::<Hardened<Compact, Even, Note>>(1 << 16);
    for size in 1..300 {
        // SAFETY: `malloc` has no preconditions.
        let [block, above] = [(); 2].map(|()| unsafe { heap.malloc(layout(size, 16)) }.unwrap());
        let len = above.addr().get().abs_diff(block.addr().get());
        assert_eq!(len, (size + 8).next_multiple_of(16), "{size}");
        let layout = layout(size, 16);
        for at in size..len {
            // SAFETY: The byte is within the block's chunk.
            let old = unsafe { block.add(at).read() };
            overwrite(block, at as isize, &[old ^ 0x41]);
            // SAFETY: The heap detects misuse before it changes anything.
            unsafe { heap.free(block, layout) };
            assert!(matches!(faults()[..], [Fault::Overflow { .. }]), "{size}: {at}");
            overwrite(block, at as isize, &[old]);
        }
        // SAFETY: Each block is freed once, with its layout.
        unsafe { [block, above].into_iter().for_each(|block| heap.free(block, layout)) };
        assert_eq!(faults(), []);
        heap.flush();
    }
    assert!(heap.verify().is_ok());
}

#[test]
fn blocks_wait_though_few_bytes_are_in_use() {
    let mut heap = heap::<Hardened<Compact, Patient, Note>>(1 << 21);
    let size = 16 << 10;
    let blocks = [(); 8].map(|()| {
        let block = malloc(&mut heap, size);
        free(&mut heap, block, size);
        block
    });
    let mut distinct = blocks.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 5, "the next block takes another place while 64 KiB wait");
}

/// Frees and allocates blocks on both sides of an arena's structures, which lie between them.
fn free_beside_own<H: Harden>() {
    for few in 1..40 {
        let memory = memory(1 << 12);
        let mut heap = heap_of::<Hardened<Compact, H, Note>>(&[part(memory, 0, 1 << 11)]);
        let mut blocks: Vec<_> = (0..few).map(|_| malloc(&mut heap, 16)).collect();
        let span = heap.get_arena();
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.arena(span).unwrap().extend(memory, Memory::empty()) }.unwrap();
        blocks.extend((0..40).map(|_| malloc(&mut heap, 16)));
        for block in blocks {
            free(&mut heap, block, 16);
            assert_eq!((malloc(&mut heap, 16), faults()), (block, vec![]));
        }
        assert!(heap.verify().is_ok());
    }
}

/// The structures have no mark at which the block below ends.
#[test]
fn blocks_below_the_arenas_own_structures_are_known() {
    free_beside_own::<Standard>();
}

/// The structures have a different canary.
#[test]
fn no_tail_is_expected_below_a_block_above_the_arenas_own_structures() {
    free_beside_own::<Tails>();
}

/// The first memory of a heap may extend its empty arena.
#[test]
fn a_heap_has_its_key_from_its_first_memory_on() {
    let memory = memory(1 << 16);
    let mut heap = Talloc::<Hardened<Micro, All, Note>>::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.arenas_mut().try_extend(part(memory, 0, 1 << 12)) }.unwrap();
    let block = malloc(&mut heap, 61);
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.claim(part(memory, 1 << 13, 1 << 13)) }.unwrap();
    free(&mut heap, block, 61);
    assert_eq!(faults(), []);
}
