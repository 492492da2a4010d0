//! What a hardened heap finds, what it reports, and what it does afterwards.

mod common;

use std::cell::RefCell;
use std::ptr::NonNull;

use common::{layout, memory};
use fastrand::Rng;
use talloc_core::{
    AllocError, Call, Chunk, ChunkKind, Compact, Config, Fault, Harden, Hardened, Measures, Misuse,
    OnMisuse, OwnedTalloc, QuickLists, RealTime, Span, Talloc, Unchecked,
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
    Tails: Measures { tails: true, ..Measures::NONE };
    Fresh: Measures { fresh: Some(0xce), ..Measures::NONE };
    All: Measures::ALL;
}

/// Small bins, which share sizes, and without quick lists.
struct Plain;

impl Config for Plain {
    type Index = u32;
    type Heads = [u32; 12];
    const EXACT_LOG2: u32 = 2;
    const SPLIT_LOG2: u32 = 1;
    type Quick = QuickLists<0>;
    type Checks = Unchecked;
    const QUICK_BYTES: usize = 0;
    const LAST_RESORT: usize = 8;
}

fn heap<C: Config>(bytes: usize) -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    // SAFETY: The memory is the heap's for ever.
    unsafe { heap.init(memory(bytes)) };
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
    let most = heap.inspect().free_bytes() - 104;
    assert!(malloc(&mut heap, most).addr() < block.addr() || most > 3000);
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

/// Blocks and their sizes.
type Blocks = Vec<(NonNull<u8>, usize)>;

/// A heap with free chunks between blocks.
fn holes<C: Config>() -> (OwnedTalloc<C>, Blocks, Vec<Span>) {
    let mut heap = heap::<C>(1 << 15);
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

/// Uses a heap in which something was overwritten: no two blocks overlap, and blocks keep their contents, until the heap
/// reports what is wrong.
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
        overwritten::<Hardened<Plain, All, Notes>>(seed);
        overwritten::<Hardened<RealTime, All, Notes>>(seed);
        // Not `Micro`: one in 65,536 random values of 16 bits passes for the right one.
    }
}

#[test]
fn an_overwritten_free_chunk_is_reported_before_it_is_used() {
    let mut reported = 0;
    for number in 0..20 {
        let (mut heap, _, chunks) = holes::<Hardened<Plain, All, Notes>>();
        let chunk = chunks[number % chunks.len()];
        overwrite(NonNull::new(chunk.get_base_ptr().unwrap()).unwrap(), 4, &[0x5a; 8]);
        // SAFETY: `malloc` has no preconditions.
        while unsafe { heap.malloc(layout(1, 8)) }.is_ok() {}
        reported += usize::from(!faults().is_empty());
    }
    assert_eq!(reported, 20);
}

#[test]
fn a_heap_is_repaired_from_its_marks() {
    for seed in 0..SEEDS / 4 {
        let mut rng = Rng::with_seed(seed);
        let (mut heap, blocks, chunks) = holes::<Hardened<Plain, All, Repairs>>();
        let used = heap.inspect().used_bytes();
        for chunk in &chunks {
            let base = NonNull::new(chunk.get_base_ptr().unwrap()).unwrap();
            let bytes: Vec<u8> = (0..chunk.size()).map(|_| rng.u8(..)).collect();
            overwrite(base, 0, &bytes);
        }
        let mut size = 1;
        while found().is_empty() {
            // SAFETY: `malloc` has no preconditions.
            let block = unsafe { heap.malloc(layout(size, 8)) };
            if let Ok(block) = block {
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
}

#[test]
fn arenas_of_a_broken_heap_do_not_change() {
    let (mut heap, _, chunks) = holes::<Hardened<Plain, All, Notes>>();
    overwrite(NonNull::new(chunks[0].get_base_ptr().unwrap()).unwrap(), 0, &[0x5a; 4]);
    let span = heap.get_arena();
    let result = heap.arena(span).and_then(|mut arena| arena.truncate(span));
    assert_eq!(result.err(), Some(talloc_core::ArenaError::Broken));
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
