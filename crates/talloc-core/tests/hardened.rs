//! What a hardened heap finds, what it reports, and what it does afterwards.

mod common;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use common::{layout, memory, part};
use fastrand::Rng;
use talloc_core::{
    AllocError, ArenaError, Batch, Call, Checked, Chunk, ChunkKind, Compact, Config, Fault, Harden,
    Hardened, KnowsBlocks, Measures, Memory, Micro, Misuse, OnMisuse, OwnedTalloc, RealTime, Span,
    Talloc,
};

std::thread_local! {
    static FOUND: RefCell<Vec<Misuse>> = const { RefCell::new(Vec::new()) };
}

/// Remembers what was found. The heap stays closed.
struct Notes;

impl OnMisuse for Notes {
    fn misuse(misuse: &Misuse) {
        FOUND.with_borrow_mut(|found| found.push(*misuse));
    }
}

/// Remembers what was found. The heap is repaired.
struct Repairs;

impl OnMisuse for Repairs {
    const REPAIRS: bool = true;

    fn misuse(misuse: &Misuse) {
        Notes::misuse(misuse);
    }
}

/// What was found since the last call.
fn found() -> Vec<Misuse> {
    FOUND.take()
}

/// Declares measures.
macro_rules! measures {
    ($($name:ident: $measures:expr;)*) => {$(
        struct $name;

        impl Harden for $name {
            const MEASURES: Measures = $measures;
        }
    )*};
}

measures! {
    Standard: Measures { delay: 0, ..Measures::STANDARD };
    Delays: Measures { delay: 1 << 10, fill: 64, ..Measures::NONE };
    Encoded: Measures { encode: true, ..Measures::NONE };
    Filled: Measures { fill: 128, ..Measures::NONE };
    Shuffled: Measures { shuffle: true, ..Measures::NONE };
    Tails: Measures { tails: true, ..Measures::NONE };
    Fresh: Measures { fresh: Some(0xce), ..Measures::NONE };
    All: Measures::ALL;
}

fn heap<C: Config>(bytes: usize) -> OwnedTalloc<C> {
    heap_of(&[memory(bytes)])
}

/// A heap of these arenas.
fn heap_of<C: Config>(arenas: &[Span]) -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    for arena in arenas {
        // SAFETY: The memory is the heap's for ever.
        unsafe { heap.claim(*arena) }.unwrap();
    }
    found();
    heap
}

fn malloc<C: Config>(heap: &mut Talloc<C>, size: usize) -> NonNull<u8> {
    // SAFETY: `malloc` has no preconditions.
    unsafe { heap.malloc(layout(size, 8)) }.unwrap()
}

fn free<C: Config>(heap: &mut Talloc<C>, block: NonNull<u8>, size: usize) {
    // SAFETY: The heap finds what is wrong before it changes anything.
    unsafe { heap.free(block, layout(size, 8)) }
}

/// Overwrites bytes of the heap's memory.
fn overwrite(block: NonNull<u8>, at: isize, bytes: &[u8]) {
    for (number, byte) in bytes.iter().enumerate() {
        // SAFETY: The tests pass only places in the memory of a heap.
        unsafe { block.offset(at + number as isize).write(*byte) };
    }
}

fn faults() -> Vec<Fault> {
    found().into_iter().map(|misuse| misuse.fault).collect()
}

#[test]
fn an_overflow_into_the_slack_is_found() {
    for size in 1..100 {
        let mut heap = heap::<Hardened<Compact, Standard, Notes>>(1 << 16);
        let (block, _above) = (malloc(&mut heap, size), malloc(&mut heap, 40));
        let slack = size.max(16).next_multiple_of(8) - size;
        for wrong in 0..slack {
            // SAFETY: It is within the memory of the block.
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
        let mut heap = heap::<Hardened<Compact, Tails, Notes>>(1 << 16);
        let (block, _above) = (malloc(&mut heap, size), malloc(&mut heap, 40));
        let end = (size + 8).max(16).next_multiple_of(8);
        // SAFETY: It is the first byte of the tail.
        let old = unsafe { block.add(end - 8).read() };
        overwrite(block, end as isize - 8, &[!old]);
        free(&mut heap, block, size);
        assert!(matches!(faults()[..], [Fault::Overflow { .. }]), "{size}");
    }
}

#[test]
fn a_size_that_takes_the_same_granules_is_found() {
    let mut heap = heap::<Hardened<Compact, Tails, Notes>>(1 << 16);
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
        let mut heap = heap::<Hardened<Compact, Standard, Notes>>(1 << 16);
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
fn a_write_to_a_link_of_a_list_closes_the_heap() {
    let mut heap = heap::<Hardened<Compact, Standard, Notes>>(1 << 16);
    let blocks = [(); 4].map(|()| malloc(&mut heap, 64));
    for block in blocks {
        free(&mut heap, block, 64);
    }
    overwrite(blocks[3], 0, &[0x41; 8]);
    assert_eq!(malloc(&mut heap, 64), blocks[3]);
    // SAFETY: `malloc` has no preconditions.
    let next = unsafe { heap.malloc(layout(64, 8)) };
    assert!(next.is_ok_and(|next| !blocks.contains(&next)) || next.is_err());
    assert_eq!(faults(), [Fault::Broken]);
    // SAFETY: As above.
    assert_eq!(unsafe { heap.malloc(layout(64, 8)) }, Err(AllocError));
    free(&mut heap, blocks[3], 64);
    assert_eq!(faults(), [], "what is broken is reported once");
}

#[test]
fn reuse_is_delayed_and_the_delay_ends_before_a_request_fails() {
    let mut heap = heap::<Hardened<Compact, Delays, Notes>>(4096);
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
    let mut heap = heap::<Hardened<Compact, Delays, Notes>>(1 << 16);
    let block = malloc(&mut heap, 100);
    free(&mut heap, block, 100);
    overwrite(block, 50, b"!");
    heap.flush();
    assert!(matches!(faults()[..], [Fault::WrittenAfterFree { .. }]));
    assert!(heap.verify().is_ok());
}

#[test]
fn new_blocks_are_filled() {
    let mut heap = heap::<Hardened<Compact, Fresh, Notes>>(1 << 16);
    let block = malloc(&mut heap, 100);
    // SAFETY: The block has as many bytes, all of which are filled.
    assert_eq!(unsafe { block.cast::<[u8; 100]>().read() }, [0xce; 100]);
    // SAFETY: `malloc_zeroed` has no preconditions.
    let zeroed = unsafe { heap.malloc_zeroed(layout(100, 8)) }.unwrap();
    // SAFETY: As above.
    assert_eq!(unsafe { zeroed.cast::<[u8; 100]>().read() }, [0; 100]);
}

#[test]
fn an_aligned_request_checks_the_filling() {
    let mut heap = heap::<Hardened<Compact, Filled, Notes>>(1 << 16);
    let layout = layout(64, 16);
    // SAFETY: The block is freed once. It is written to afterwards on purpose.
    unsafe {
        let block = heap.malloc(layout).unwrap();
        heap.free(block, layout);
        block.add(20).write(1);
        assert_eq!(heap.malloc(layout), Ok(block));
    }
    assert!(matches!(faults()[..], [Fault::WrittenAfterFree { .. }]));
}

/// The old block of `realloc` is freed when the new one is already the caller's, so what is found then is reported by
/// the next call.
#[test]
fn what_realloc_finds_is_reported_by_the_next_call() {
    let mut heap = heap::<Hardened<Compact, Delays, Repairs>>(1 << 16);
    let blocks = [(); 40].map(|()| (malloc(&mut heap, 64), malloc(&mut heap, 24)).0);
    let (used, _above) = (malloc(&mut heap, 64), malloc(&mut heap, 64));
    for block in &blocks[..16] {
        free(&mut heap, *block, 64);
    }
    for block in &blocks[..16] {
        overwrite(*block, 0, &[0x41; 8]);
    }
    free(&mut heap, blocks[16], 64);
    assert_eq!(faults(), []);
    // SAFETY: It is the block of the test, of that size.
    let moved = unsafe { heap.realloc(used, layout(64, 8), 1200) }.unwrap();
    free(&mut heap, moved, 1200);
    assert!(faults().contains(&Fault::Broken));
    malloc(&mut heap, 640);
    assert!(heap.verify().is_ok());
}

#[test]
fn a_broken_chunk_in_another_arena_is_found() {
    let whole = memory(3 << 13);
    let arenas = [0, 1, 2].map(|number| part(whole, number << 13, (1 << 13) - 64));
    let mut heap = heap_of::<Hardened<RealTime, Encoded, Notes>>(&arenas);
    // SAFETY: `malloc` has no preconditions.
    let mut take = |size| unsafe { heap.malloc(layout(size, 8)) };
    let blocks: Vec<_> = core::iter::from_fn(|| take(496).ok()).collect();
    let second = blocks.iter().find(|block| arenas[1].contains(block.addr().get())).unwrap();
    free(&mut heap, *second, 496);
    overwrite(*second, 0, &[0xff; 8]);
    // SAFETY: As above.
    while unsafe { heap.malloc(layout(488, 8)) }.is_ok() {}
    assert_eq!(faults(), [Fault::Broken]);
}

#[test]
fn blocks_of_a_closed_heap_can_be_checked() {
    let (mut heap, blocks, chunks) = holes::<Hardened<RealTime, All, Notes>>();
    overwrite(NonNull::new(chunks[0].get_base_ptr().unwrap()).unwrap(), 0, &[0x5a; 8]);
    // SAFETY: `malloc` has no preconditions.
    while unsafe { heap.malloc(layout(1, 8)) }.is_ok() {}
    assert_eq!(faults(), [Fault::Broken]);
    let (block, size) = blocks[0];
    assert!(heap.inspect().check(block, layout(size, 8)).is_ok());
    assert!(heap.inspect().check(block, layout(size + 8, 8)).is_err());
}

/// Panics, and lets the heap be repaired.
struct Unwinds;

impl OnMisuse for Unwinds {
    const REPAIRS: bool = true;

    fn misuse(misuse: &Misuse) {
        panic!("{misuse}");
    }
}

#[test]
fn a_heap_is_repaired_though_the_handler_panics() {
    let mut heap = heap::<Hardened<RealTime, All, Unwinds>>(1 << 16);
    let (hole, _above) = (malloc(&mut heap, 4000), malloc(&mut heap, 64));
    free(&mut heap, hole, 4000);
    heap.flush();
    overwrite(hole, 0, &[7; 8]);
    let use_it = || malloc(&mut heap, 2000);
    assert!(catch_unwind(AssertUnwindSafe(use_it)).is_err());
    malloc(&mut heap, 2000);
    assert!(heap.verify().is_ok());
}

#[test]
fn a_batch_of_unknown_blocks_is_reported() {
    let mut heap = heap::<Checked<Compact, Notes>>(1 << 16);
    let (block, other) = (malloc(&mut heap, 64), malloc(&mut heap, 16));
    let mut batch = Batch::EMPTY;
    // SAFETY: The heap knows one of the blocks, and does not free the other.
    unsafe {
        batch.push(block.add(16));
        batch.push(other);
        heap.backend().free_batch(16, batch);
    }
    assert!(matches!(faults()[..], [Fault::NotABlock { .. }]));
    assert!(heap.verify().is_ok());
    assert!(heap.inspect().check(other, layout(16, 8)).is_err());
    assert!(heap.inspect().check(block, layout(64, 8)).is_ok());
}

/// With measures that choose at random, several blocks of a heap follow each other, and others do not.
#[test]
fn places_are_chosen_at_random() {
    let mut heap = heap::<Hardened<RealTime, Shuffled, Notes>>(1 << 15);
    let (hole, _above) = (malloc(&mut heap, 1 << 14), malloc(&mut heap, 40));
    free(&mut heap, hole, 1 << 14);
    let end = hole.addr().get() + (1 << 14);
    let blocks = [(); 64].map(|()| malloc(&mut heap, 64).addr().get());
    let low = blocks.iter().filter(|block| **block < end - (1 << 13)).count();
    assert!(low > 8 && low < 56, "{low} of 64 blocks were cut from the lower end");

    let mut heap = self::heap::<Hardened<Compact, Shuffled, Notes>>(1 << 15);
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

/// Blocks and their sizes.
type Blocks = Vec<(NonNull<u8>, usize)>;

/// A heap with free chunks between blocks.
fn holes<C: Config>() -> (OwnedTalloc<C>, Blocks, Vec<Span>) {
    holes_in(heap(1 << 15))
}

/// Makes holes between blocks that fill most of 12 KiB.
fn holes_in<C: Config>(mut heap: OwnedTalloc<C>) -> (OwnedTalloc<C>, Blocks, Vec<Span>) {
    let sizes = [100, 200, 300, 40, 500, 60];
    let blocks: Vec<_> =
        (0..48).map(|n| sizes[n % 6]).map(|size| (malloc(&mut heap, size), size)).collect();
    let (kept, gone): (Vec<_>, Vec<_>) = (0..48).partition(|n| n % 2 == 0);
    for n in gone {
        free(&mut heap, blocks[n].0, blocks[n].1);
    }
    heap.flush();
    let is_free = |chunk: &Chunk| chunk.kind == ChunkKind::Free;
    let chunks = heap.inspect().free_chunks().filter(is_free).map(|chunk| chunk.span).collect();
    assert_eq!(faults(), []);
    let kept = kept.into_iter().map(|n| blocks[n]).collect();
    (heap, kept, chunks)
}

/// Uses a heap in which something was overwritten: no two blocks overlap, and blocks keep their contents, until the
/// heap reports what is wrong.
fn use_up<C: Config>(heap: &mut Talloc<C>, mut blocks: Blocks, rng: &mut Rng) {
    let fill = |(block, size): (NonNull<u8>, usize), byte: usize| {
        // SAFETY: It is a block of the test.
        unsafe { block.write_bytes(byte as u8, size) };
    };
    let mut contents: Vec<usize> = (0..blocks.len()).collect();
    let mut count = blocks.len();
    for (block, byte) in blocks.iter().zip(&contents) {
        fill(*block, *byte);
    }
    for _ in 0..200 {
        if rng.bool() && !blocks.is_empty() {
            let n = rng.usize(..blocks.len());
            let ((block, size), byte) = (blocks.swap_remove(n), contents.swap_remove(n));
            for at in 0..size {
                // SAFETY: It is a block of the test.
                assert_eq!(unsafe { block.add(at).read() }, byte as u8, "the block was changed");
            }
            free(heap, block, size);
        } else {
            let size = rng.usize(1..600);
            // SAFETY: `malloc` has no preconditions.
            let Ok(block) = (unsafe { heap.malloc(layout(size, 8)) }) else { continue };
            let range = |(block, size): &(NonNull<u8>, usize)| {
                Span::from_base_size(block.addr().get(), *size)
            };
            let new = range(&(block, size));
            assert!(blocks.iter().all(|old| !range(old).overlaps(new)), "two blocks overlap");
            fill((block, size), count);
            blocks.push((block, size));
            contents.push(count);
            count += 1;
        }
    }
}

/// Overwrites sizes and links of free chunks, and uses the heap.
fn overwritten<C: Config>(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let (mut heap, blocks, chunks) = holes::<C>();
    let chunk = chunks[rng.usize(..chunks.len())];
    let base = NonNull::new(chunk.get_base_ptr().unwrap()).unwrap();
    let unit = size_of::<C::Index>() as isize;
    let end = chunk.size() as isize;
    let places = [0, unit, 2 * unit, end - unit];
    let at = places[rng.usize(..if chunk.size() < 16 { 1 } else { 4 })];
    let bytes = match rng.usize(..3) {
        0 => vec![0; unit as usize],
        1 => vec![0xff; unit as usize],
        // SAFETY: It is the memory of the heap.
        _ => vec![unsafe { base.offset(at).read() } ^ 1 << rng.usize(..8)],
    };
    overwrite(base, at, &bytes);
    use_up(&mut heap, blocks, &mut rng);
    for misuse in found() {
        assert_eq!(
            misuse.fault,
            Fault::Broken,
            "{misuse}, seed {seed}, {} byte {at} of {chunk}: {bytes:?}",
            std::any::type_name::<C>()
        );
    }
}

/// How many heaps are overwritten. Miri takes its time.
const SEEDS: u64 = if cfg!(miri) { 5 } else { 2000 };

#[test]
fn overwritten_free_chunks_break_no_blocks() {
    for seed in 0..SEEDS {
        overwritten::<Hardened<Compact, Standard, Notes>>(seed);
        overwritten::<Hardened<Compact, All, Notes>>(seed);
        overwritten::<Hardened<RealTime, All, Notes>>(seed);
        // Not `Micro`: one in 65,536 random values of 16 bits passes for the right one.
    }
}

#[test]
fn an_overwritten_free_chunk_is_reported_before_it_is_used() {
    let mut reported = 0;
    for number in 0..20 {
        let (mut heap, _, chunks) = holes::<Hardened<RealTime, All, Notes>>();
        let chunk = chunks[number % chunks.len()];
        overwrite(NonNull::new(chunk.get_base_ptr().unwrap()).unwrap(), 4, &[0x5a; 8]);
        // SAFETY: `malloc` has no preconditions.
        while unsafe { heap.malloc(layout(1, 8)) }.is_ok() {}
        reported += usize::from(!faults().is_empty());
    }
    assert_eq!(reported, 20);
}

/// Overwrites all free chunks of a heap, which is repaired.
fn repaired<C: Config>(heap: OwnedTalloc<C>, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let (mut heap, blocks, chunks) = holes_in(heap);
    let used = heap.inspect().used_bytes();
    for chunk in &chunks {
        let base = NonNull::new(chunk.get_base_ptr().unwrap()).unwrap();
        let bytes: Vec<u8> = (0..chunk.size()).map(|_| rng.u8(..)).collect();
        overwrite(base, 0, &bytes);
    }
    let mut size = 1;
    while found().is_empty() {
        // SAFETY: `malloc` has no preconditions.
        if let Ok(block) = unsafe { heap.malloc(layout(size, 8)) } {
            free(&mut heap, block, size);
        }
        size += 8;
    }
    let report = heap.verify().unwrap();
    assert!(report.used_bytes <= used + 1024, "{report}");
    use_up(&mut heap, blocks, &mut rng);
    assert_eq!(faults(), []);
    assert!(heap.verify().is_ok());
}

#[test]
fn a_heap_is_repaired_from_its_marks() {
    for seed in 0..SEEDS / 4 {
        repaired::<Hardened<RealTime, All, Repairs>>(heap(1 << 15), seed);
    }
}

#[test]
fn a_heap_of_several_arenas_is_repaired() {
    for seed in 0..SEEDS / 4 {
        // The holes are in all of them.
        let whole = memory(1 << 15);
        let arenas = [0, 1, 2, 3].map(|number| part(whole, number << 13, (1 << 13) - 64));
        repaired::<Hardened<RealTime, All, Repairs>>(heap_of(&arenas), seed);
    }
}

#[test]
fn a_repaired_arena_serves_requests_again() {
    let whole = memory(3 << 12);
    let arenas = [0, 1, 2].map(|number| part(whole, number << 12, (1 << 12) - 64));
    let mut heap = heap_of::<Hardened<RealTime, Encoded, Repairs>>(&arenas);
    // SAFETY: `malloc` has no preconditions.
    let blocks: Vec<_> =
        core::iter::from_fn(|| unsafe { heap.malloc(layout(496, 8)) }.ok()).collect();
    let last = blocks.iter().filter(|block| arenas[2].contains(block.addr().get()));
    let [lower, upper, ..] = last.copied().collect::<Vec<_>>()[..] else { panic!("it is full") };
    free(&mut heap, lower, 496);
    overwrite(lower, 0, &[0x5a; 8]);
    free(&mut heap, upper, 496);
    assert_eq!(faults(), [Fault::Broken]);
    assert_eq!(heap.verify().err(), None);
    assert_eq!(malloc(&mut heap, 992), lower);
}

#[test]
fn arenas_of_a_broken_heap_do_not_change() {
    let (mut heap, _, chunks) = holes::<Hardened<RealTime, All, Notes>>();
    overwrite(NonNull::new(chunks[0].get_base_ptr().unwrap()).unwrap(), 0, &[0x5a; 4]);
    let span = heap.get_arena();
    let result = heap.arena(span).and_then(|mut arena| arena.truncate(span));
    assert_eq!(result.err(), Some(ArenaError::Broken));
}

#[test]
fn resizing_checks_and_moves_the_canary() {
    let mut heap = heap::<Hardened<Compact, All, Notes>>(1 << 16);
    let mut rng = Rng::with_seed(1);
    let mut size = 20;
    let mut block = malloc(&mut heap, size);
    for _ in 0..1000 {
        let new = rng.usize(1..2000);
        // SAFETY: It is the block of the test, of that size.
        block = unsafe { heap.realloc(block, layout(size, 8), new) }.unwrap();
        size = new;
        assert_eq!(heap.inspect().size_of_block(block), Ok(size));
        assert!(heap.verify().is_ok());
    }
    overwrite(block, size as isize, b"overflow");
    // SAFETY: As above.
    assert!(unsafe { heap.realloc(block, layout(size, 8), 3000) }.is_err());
    assert!(matches!(faults()[..], [Fault::Overflow { .. }]));
}

#[test]
fn what_is_reported_is_one_line() {
    let mut heap = heap::<Hardened<Compact, Standard, Notes>>(1 << 16);
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
    let mut heap = Talloc::<Hardened<Compact, Fresh, Notes>>::with_config();
    // SAFETY: The memory is the heap's for ever, and all zeros.
    unsafe { heap.arenas_mut().claim_as(memory(1 << 16), Memory::ZEROED) }.unwrap();
    let layout = layout(3000, 8);
    let (_, dirty) = heap.backend().malloc_from_arenas(layout).unwrap();
    assert_eq!(dirty, 3000);
    // SAFETY: `malloc_dirty` has no preconditions.
    assert_eq!(unsafe { heap.backend().malloc_dirty(layout) }.unwrap().1, 3000);
}

#[test]
fn a_closed_heap_ignores_what_is_freed() {
    let (mut heap, blocks, chunks) = holes::<Hardened<RealTime, All, Notes>>();
    overwrite(NonNull::new(chunks[0].get_base_ptr().unwrap()).unwrap(), 0, &[0x5a; 8]);
    // SAFETY: `malloc` has no preconditions.
    while unsafe { heap.malloc(layout(1, 8)) }.is_ok() {}
    assert_eq!(faults(), [Fault::Broken]);
    let used = heap.inspect().used_bytes();
    let (block, size) = blocks[0];
    let mut batch = Batch::EMPTY;
    // SAFETY: The block has room for a link, and is given up.
    unsafe {
        batch.push(block);
        heap.backend().free_batch(size, batch);
    }
    free(&mut heap, blocks[1].0, blocks[1].1);
    assert_eq!((heap.inspect().used_bytes(), faults()), (used, vec![]));
}

/// Frees blocks, which wait on a list, overwrites their links, and inspects the heap.
fn inspect_overwritten_links<C: Config>() {
    let mut heap = heap::<C>(1 << 16);
    let blocks = [(); 4].map(|()| malloc(&mut heap, 100));
    for block in blocks {
        free(&mut heap, block, 100);
    }
    let cached = |heap: &Talloc<C>| {
        heap.inspect().free_chunks().filter(|chunk| chunk.kind == ChunkKind::Cached).count()
    };
    let before = cached(&heap);
    assert!(before >= blocks.len());
    for block in blocks {
        overwrite(block, 0, &[0x41; 8]);
    }
    // Only the first one is not found by a link.
    assert!(cached(&heap) <= before - (blocks.len() - 1));
    assert!(heap.inspect().size_classes().to_string().lines().count() > 1);
}

#[test]
fn a_list_with_an_overwritten_link_can_be_inspected() {
    inspect_overwritten_links::<Hardened<Compact, Standard, Notes>>();
    inspect_overwritten_links::<Hardened<Compact, All, Notes>>();
}

/// The first memory of a heap may be an extension of its empty arena.
#[test]
fn a_heap_has_its_key_from_its_first_memory_on() {
    let memory = memory(1 << 16);
    let mut heap = Talloc::<Hardened<Micro, All, Notes>>::with_config();
    // SAFETY: The memory is the heap's for ever.
    unsafe { heap.arenas_mut().try_extend(part(memory, 0, 1 << 12)) }.unwrap();
    let block = malloc(&mut heap, 61);
    // SAFETY: As above.
    unsafe { heap.claim(part(memory, 1 << 13, 1 << 13)) }.unwrap();
    free(&mut heap, block, 61);
    assert_eq!(faults(), []);
}

/// Flips each bit of the bitmap of a heap with blocks of all kinds, and walks the heap.
fn flip_each_bit<C: Config<Checks: KnowsBlocks>>() {
    let mut heap = heap::<C>(1 << 14);
    // Blocks whose length takes a word of the bitmap, and others.
    let sizes = [1024, 40, 2000, 1, 700, 3000];
    let blocks = sizes.map(|size| malloc(&mut heap, size));
    free(&mut heap, blocks[2], sizes[2]);
    free(&mut heap, blocks[3], sizes[3]);
    let own = heap.inspect().chunks().find(|chunk| chunk.kind == ChunkKind::Own).unwrap().span;
    let base = NonNull::new(own.get_base_ptr().unwrap()).unwrap();
    for bit in 0..own.size() * 8 {
        // SAFETY: It is a byte of the bitmap, which is in the memory of the test.
        let byte = unsafe { base.add(bit / 8) };
        // SAFETY: As above.
        let flip = || unsafe { byte.write(byte.read() ^ 1 << (bit % 8)) };
        flip();
        let _ = heap.verify();
        assert!(heap.inspect().chunks().take(5000).count() < 5000, "bit {bit}");
        for block in blocks {
            let _ = heap.inspect().size_of_block(block);
            let _ = heap.inspect().check(block, layout(8, 8));
        }
        flip();
    }
    assert!(heap.verify().is_ok());
}

#[test]
fn a_walk_ends_whatever_bit_of_the_bitmap_is_flipped() {
    flip_each_bit::<Checked<Compact, Notes>>();
    flip_each_bit::<Checked<Micro, Notes>>();
    flip_each_bit::<Hardened<Compact, All, Notes>>();
}
