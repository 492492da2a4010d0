//! Zones as a whole.

use std::ops::Range;
use std::ptr;
use std::ptr::NonNull;
use std::sync::mpsc;
use std::vec::Vec;

use super::*;

/// An allocated block, with its size.
type Block = (NonNull<u8>, usize);

fn allocate(zone: &Zone, size: usize, align: usize) -> Block {
    let block = zone.allocate(size, align).unwrap();
    assert_eq!(block.addr().get() % align, 0, "{size} bytes aligned to {align}");
    let usable = zone.size_of(block.addr().get()).unwrap().unwrap();
    assert!(usable >= size && usable < size.max(1) + align, "{usable} of {size} bytes");
    (block, size)
}

fn free(zone: &Zone, (block, _): Block) {
    zone.free(block.addr().get()).unwrap().unwrap();
}

fn expect_distinct(blocks: &[Block]) {
    let start = |(block, _): &Block| block.addr().get();
    let mut ranges: Vec<Range<usize>> =
        blocks.iter().map(|block| start(block)..start(block) + block.1).collect();
    ranges.sort_by_key(|range| range.start);
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
}

#[test]
fn blocks_of_all_alignments_are_distinct() {
    static ZONE: Zone = Zone::new();
    let mut blocks = Vec::new();
    for align in (5..25).map(|log2| 1 << log2) {
        for times in [0, 1, 2, 3, 5, 7, 16, 33, 63] {
            let size = align * times;
            let count = if size > 1 << 20 { 2 } else { 20 };
            blocks.extend((0..count).map(|_| (allocate(&ZONE, size, align), align)));
        }
    }
    let live = |blocks: &[(Block, usize)]| {
        let blocks: Vec<_> = blocks.iter().map(|(block, _)| *block).collect();
        expect_distinct(&blocks);
        assert_eq!(ZONE.count().used_blocks, blocks.len());
    };
    live(&blocks);
    // Every other one, so that extents are full and not full by turns.
    for (block, align) in blocks.iter_mut().step_by(2) {
        free(&ZONE, *block);
        *block = allocate(&ZONE, block.1, *align);
    }
    live(&blocks);
    let even: Vec<_> = (0..blocks.len()).step_by(2).collect();
    even.iter().for_each(|at| free(&ZONE, blocks[*at].0));
    for at in even {
        let ((_, size), align) = blocks[at];
        blocks[at].0 = allocate(&ZONE, size, align);
    }
    live(&blocks);
    blocks.into_iter().for_each(|(block, _)| free(&ZONE, block));
    let left = ZONE.count();
    assert_eq!((left.used_blocks, left.used_bytes), (0, 0));
}

#[test]
fn extents_are_filled_before_others_begin() {
    static ZONE: Zone = Zone::new();
    for (align, size) in
        [(32, 32), (64, 64), (64, 320), (4096, 4096), (4096, 36864), (1024, 33 << 10)]
    {
        let before = ZONE.count();
        let blocks: Vec<_> = (0..(32 << 20) / size).map(|_| allocate(&ZONE, size, align)).collect();
        let count = ZONE.count();
        let (bytes, used) = (count.bytes - before.bytes, size * blocks.len());
        assert!(bytes * 20 <= used * 21, "{used} bytes of {size} aligned to {align} take {bytes}");
        blocks.into_iter().for_each(|block| free(&ZONE, block));
        let again = (16 << 20) / size;
        let blocks: Vec<_> = (0..again).map(|_| allocate(&ZONE, size, align)).collect();
        assert_eq!(ZONE.count().bytes, count.bytes, "{size} aligned to {align}");
        blocks.into_iter().for_each(|block| free(&ZONE, block));
    }
}

#[test]
fn what_is_no_block_is_found_out() {
    static ZONE: Zone = Zone::new();
    assert!(ZONE.may_contain(0) && !ZONE.may_contain(1));
    assert_eq!(ZONE.free(0), None);
    let (block, _) = allocate(&ZONE, 100, 64);
    let addr = block.addr().get();
    assert!(ZONE.may_contain(addr));
    assert_eq!(ZONE.free(addr + 64), Some(Err(NotABlock::Within)));
    assert_eq!(ZONE.free(addr + 128), Some(Err(NotABlock::Free)));
    assert_eq!(ZONE.size_of(addr + 1), Some(Err(NotABlock::Within)));
    assert_eq!(ZONE.free(addr + UNIT), Some(Err(NotABlock::Within)));
    let base = ZONE.base.load(Relaxed).addr();
    assert_eq!(ZONE.free(base), Some(Err(NotABlock::Foreign)));
    assert_eq!(ZONE.free(base - 1), None);
    let last = ZONE.last.load(Relaxed);
    assert_eq!(ZONE.free(last), Some(Err(NotABlock::Foreign)));
    assert!(!ZONE.may_contain(last + 1));
    assert_eq!(ZONE.free(addr), Some(Ok(())));
    assert_eq!(ZONE.free(addr), Some(Err(NotABlock::Free)));
    assert_eq!(ZONE.size_of(addr), Some(Err(NotABlock::Free)));
}

/// A block that goes to another thread, and the byte that fills it.
struct Given(Block, u8);

// SAFETY: The sender gives the block up.
unsafe impl Send for Given {}

#[test]
fn threads_free_each_others_blocks() {
    static ZONE: Zone = Zone::new();
    const THREADS: usize = 4;
    let (steps, rounds) = if cfg!(miri) { (20, 2) } else { (3000, 8) };
    for round in 0..rounds {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..THREADS).map(|_| mpsc::sync_channel::<Given>(100)).unzip();
        std::thread::scope(|scope| {
            for (number, receiver) in receivers.into_iter().enumerate() {
                let next = senders[(number + 1) % THREADS].clone();
                scope.spawn(move || {
                    let mut kept: Vec<Given> = Vec::new();
                    for step in 0..steps {
                        let align = 32 << (step % 8);
                        let block = allocate(&ZONE, align * (step * 7 % 5 + 1), align);
                        let byte = (step + number * 61 + round) as u8;
                        // SAFETY: The block has as many bytes, and is this thread's.
                        unsafe { block.0.write_bytes(byte, block.1) };
                        kept.push(Given(block, byte));
                        if let Err(mpsc::TrySendError::Full(given)) =
                            next.try_send(kept.swap_remove(step % kept.len()))
                        {
                            kept.push(given);
                        }
                        for Given(block, byte) in receiver.try_iter() {
                            check_and_free(block, byte);
                        }
                    }
                    drop(next);
                    kept.into_iter().for_each(|Given(block, byte)| check_and_free(block, byte));
                    // Blocks that are still on their way.
                    receiver.try_iter().for_each(|Given(block, byte)| check_and_free(block, byte));
                });
            }
            drop(senders);
        });
    }

    fn check_and_free(block: Block, byte: u8) {
        // SAFETY: The block has as many bytes, and is this thread's.
        let bytes = unsafe { core::slice::from_raw_parts(block.0.as_ptr(), block.1) };
        assert!(bytes.iter().all(|it| *it == byte), "another thread has written here");
        free(&ZONE, block);
    }
}

/// Bytes in memory of so many from an address on, whole pages.
#[cfg(target_os = "linux")]
fn resident(start: NonNull<u8>, size: usize) -> usize {
    let page = 4096;
    let mut pages = std::vec![0_u8; size / page];
    // SAFETY: It is mapped, and there is a byte for each page.
    let result = unsafe { libc::mincore(start.as_ptr().cast(), size, pages.as_mut_ptr()) };
    assert_eq!(result, 0);
    pages.iter().filter(|page| **page & 1 == 1).count() * page
}

#[cfg(target_os = "linux")]
#[test]
fn memory_goes_back_when_it_is_free() {
    static ZONE: Zone = Zone::new();
    for (align, size) in
        [(64, 64), (4096, 4096), (4096, 5 * 4096), (1 << 16, 1 << 16), (1 << 20, 3 << 20)]
    {
        let blocks: Vec<_> = (0..(32 << 20) / size).map(|_| allocate(&ZONE, size, align)).collect();
        // SAFETY: The blocks have as many bytes.
        blocks.iter().for_each(|(block, size)| unsafe { block.write_bytes(1, *size) });
        let first = blocks.iter().map(|(block, _)| *block).min().unwrap();
        let last = blocks.iter().map(|(block, _)| *block).max().unwrap();
        let size = (last.addr().get() + size - first.addr().get()) / UNIT * UNIT;
        let full = resident(first, size);
        assert!(full >= size * 9 / 10, "{full} of {size} bytes");
        blocks.into_iter().for_each(|block| free(&ZONE, block));
        let left = resident(first, size);
        assert!(left <= 4 << 20, "{left} of {size} bytes aligned to {align} are left");
        ZONE.trim();
        assert_eq!(resident(first, size), 0, "{size} bytes aligned to {align}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_few_blocks_that_come_and_go_keep_their_memory() {
    static ZONE: Zone = Zone::new();
    for (align, size) in [(64, 64), (4096, 4096), (1 << 16, 1 << 16)] {
        let mut last = ptr::null_mut();
        for round in 0..10 {
            let blocks: Vec<_> = (0..4).map(|_| allocate(&ZONE, size, align)).collect();
            if round > 0 {
                assert!(blocks.iter().any(|(block, _)| block.as_ptr() == last));
                let page = blocks[0].0.addr().get() % 4096;
                // SAFETY: It is in the zone.
                let page = unsafe { blocks[0].0.sub(page) };
                assert_eq!(resident(page, 4096), 4096, "aligned to {align}");
            }
            last = blocks[0].0.as_ptr();
            // SAFETY: The blocks have as many bytes.
            blocks.iter().for_each(|(block, size)| unsafe { block.write_bytes(1, *size) });
            blocks.into_iter().for_each(|block| free(&ZONE, block));
        }
    }
}

#[test]
fn a_zone_without_addresses_refuses() {
    static ZONE: Zone = Zone::none();
    assert_eq!(ZONE.allocate(64, 64), None);
    assert_eq!((ZONE.free(0x1000), ZONE.size_of(0x1000)), (None, None));
    ZONE.trim();
    assert_eq!(ZONE.count(), Counts::default());
}

#[test]
fn trimming_leaves_allocated_blocks_alone() {
    static ZONE: Zone = Zone::new();
    static DONE: AtomicUsize = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while DONE.load(Relaxed) < 2 {
                ZONE.trim();
                ZONE.count();
            }
        });
        for thread in 1..3_u8 {
            scope.spawn(move || {
                for round in 0..500_usize {
                    let align = 4096 << (round % 5);
                    let size = align * (round % 3 + 1);
                    let blocks: Vec<_> = (0..4).map(|_| allocate(&ZONE, size, align)).collect();
                    for (block, size) in &blocks {
                        // SAFETY: The block has as many bytes.
                        unsafe {
                            block.write_bytes(thread, *size);
                            let last = block.add(size - 1).as_ptr();
                            assert_eq!((block.read(), last.read_volatile()), (thread, thread));
                        }
                    }
                    for (block, size) in blocks {
                        // SAFETY: The block has as many bytes, which have been written.
                        let last = unsafe { block.add(size - 1).as_ptr().read_volatile() };
                        assert_eq!(last, thread, "memory of an allocated block has been returned");
                        free(&ZONE, (block, size));
                    }
                }
                DONE.fetch_add(1, Relaxed);
            });
        }
    });
    assert_eq!(ZONE.count().used_blocks, 0);
}
