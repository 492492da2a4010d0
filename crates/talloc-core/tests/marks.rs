//! Blocks of each length, at each place in a word of a checked heap's marks: it knows them, and nothing else.

mod common;

use std::cell::RefCell;
use std::ptr::NonNull;

use common::{layout, memory};
use talloc_core::{
    Checked, Chunk, ChunkKind, Compact, Config, Fault, Harden, Hardened, Inspect, KnowsBlocks,
    Measures, Micro, Misuse, OnMisuse, OomHandler, OwnedTalloc, RealTime, Talloc,
};

const GRANULE: usize = 8;

/// Granules of one unit of the bitmap. Miri takes its time.
const OFFSETS: usize = if cfg!(miri) { 2 } else { 64 };

/// The lengths of blocks, in granules, some at random and all around multiples of a word's granules.
const LENGTHS: [usize; 22] =
    [1, 2, 3, 7, 16, 29, 30, 31, 32, 33, 34, 47, 62, 63, 64, 65, 66, 95, 96, 97, 127, 128];

std::thread_local! {
    static FOUND: RefCell<Vec<Fault>> = const { RefCell::new(Vec::new()) };
}

/// Remembers what was found.
struct Notes;

impl OnMisuse for Notes {
    fn misuse(misuse: &Misuse) {
        FOUND.with_borrow_mut(|found| found.push(misuse.fault));
    }
}

struct Encoded;

impl Harden for Encoded {
    const MEASURES: Measures = Measures { encode: true, ..Measures::NONE };
}

/// A heap whose memory was not zero.
fn heap<C: Config>(bytes: usize) -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    let memory = memory(bytes);
    // SAFETY: The memory is the heap's for ever, and nobody uses it yet.
    unsafe {
        memory.get_base_ptr().unwrap().write_bytes(0xaa, memory.size());
        heap.claim(memory).unwrap();
    }
    heap
}

fn malloc<C: Config>(heap: &mut Talloc<C>, granules: usize) -> NonNull<u8> {
    // SAFETY: `malloc` has no preconditions.
    unsafe { heap.malloc(layout(granules * GRANULE, 8)) }.unwrap()
}

fn free<C: Config>(heap: &mut Talloc<C>, block: NonNull<u8>, size: usize) {
    // SAFETY: The heap finds what is wrong before it changes anything.
    unsafe { heap.free(block, layout(size, 1)) }
}

/// What lies above the block that is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Above {
    Used,
    Free,
    Cached,
    Top,
}

/// Calls `f` with heaps that have a block of each length at each offset, the block, and its granules.
fn for_each_block<C: Config>(f: impl Fn(&mut Talloc<C>, NonNull<u8>, usize)) {
    let least = (4 * size_of::<C::Index>()).div_ceil(GRANULE);
    for above in [Above::Used, Above::Free, Above::Cached, Above::Top] {
        for (number, len) in LENGTHS.into_iter().filter(|len| *len >= least).enumerate() {
            // A different part of the offsets for each length.
            for offset in (number % 3..OFFSETS).step_by(3) {
                let mut heap = heap::<C>(1 << 13);
                malloc(&mut heap, offset + least);
                let block = malloc(&mut heap, len);
                if above != Above::Top {
                    let neighbour = malloc(&mut heap, 5);
                    malloc(&mut heap, least);
                    if above != Above::Used {
                        free(&mut heap, neighbour, 5 * GRANULE);
                    }
                    if above == Above::Free {
                        heap.flush();
                    }
                }
                f(&mut heap, block, len);
            }
        }
    }
}

fn chunks<C: Config<Checks: KnowsBlocks>>(heap: &Talloc<C>) -> Vec<Chunk> {
    assert!(heap.verify().is_ok());
    heap.inspect().chunks().collect()
}

/// Frees a block with all wrong sizes, and all other addresses in it with any size: each is reported, and changes
/// nothing.
fn free_wrongly<C: Config<Checks: KnowsBlocks>>() {
    for_each_block::<C>(|heap, block, len| {
        let bytes = len * GRANULE;
        let before = chunks(heap);
        for size in (1..=bytes + 64).step_by(GRANULE - 1) {
            let is_right = Inspect::<C, OomHandler<C>>::usable_size(size) == bytes;
            assert_eq!(heap.inspect().check(block, layout(size, 1)).is_ok(), is_right, "{size}");
            if !is_right {
                free(heap, block, size);
                let found = FOUND.take();
                assert!(
                    matches!(found[..], [Fault::WrongSize { .. }]),
                    "{len} as {size}: {found:?}"
                );
            }
        }
        for at in 1..bytes {
            // SAFETY: It is within the block.
            let within = unsafe { block.add(at) };
            for size in [1, GRANULE, bytes - at, bytes, bytes + GRANULE] {
                assert!(heap.inspect().check(within, layout(size, 1)).is_err(), "{at} of {len}");
            }
            free(heap, within, bytes - at);
            let found = FOUND.take();
            assert!(matches!(found[..], [Fault::NotABlock { .. }]), "{at} of {len}: {found:?}");
        }
        assert_eq!(chunks(heap), before);
        assert_eq!(heap.inspect().size_of_block(block), Ok(bytes));
    });
}

/// Frees what is no block: each is reported, and changes nothing.
fn free_no_blocks<C: Config<Checks: KnowsBlocks>>() {
    for_each_block::<C>(|heap, _, _| {
        let before = chunks(heap);
        for chunk in before.iter().filter(|chunk| chunk.kind != ChunkKind::Used) {
            let (base, bytes) = (chunk.span.get_base_ptr().unwrap(), chunk.span.size());
            for at in [0, 1, GRANULE, bytes / 2, bytes - GRANULE] {
                let ptr = NonNull::new(base.wrapping_add(at.min(bytes - 1))).unwrap();
                for size in [1, GRANULE, 40, bytes] {
                    free(heap, ptr, size);
                    let found = FOUND.take();
                    let is_right = matches!(
                        found[..],
                        [Fault::AlreadyFree { chunk: span } | Fault::Own { chunk: span }]
                            if span == chunk.span
                    );
                    assert!(is_right, "{chunk} + {at}: {found:?}");
                }
            }
        }
        assert_eq!(chunks(heap), before);
    });
}

/// Grows and shrinks a block by a granule at a time, at each offset.
fn resize_by_one<C: Config<Checks: KnowsBlocks>>() {
    let least = (4 * size_of::<C::Index>()).div_ceil(GRANULE);
    for offset in 0..OFFSETS {
        let mut heap = heap::<C>(1 << 13);
        malloc(&mut heap, offset + least);
        let block = malloc(&mut heap, least);
        let hole = malloc(&mut heap, 150);
        malloc(&mut heap, least);
        free(&mut heap, hole, 150 * GRANULE);
        heap.flush();
        let mut len = least;
        // Blocks of more granules may have a list that rounds their sizes.
        let up_and_down = (least..=127).chain((least..127).rev());
        for new in up_and_down.chain([31, 66, 32, 97, 33, 63, 120, 65, least]) {
            let old = layout(len * GRANULE, 8);
            // SAFETY: It is the block of the test, of that size. There is room above it.
            unsafe {
                if new > len {
                    heap.grow_in_place(block, old, new * GRANULE).unwrap();
                } else {
                    heap.shrink(block, old, new * GRANULE);
                }
            }
            len = new;
            assert_eq!(heap.verify().err(), None);
            assert_eq!(heap.inspect().size_of_block(block), Ok(len * GRANULE), "{offset}");
            let larger = layout((len + 1) * GRANULE, 8);
            assert!(heap.inspect().check(block, larger).is_err(), "{offset}");
        }
        free(&mut heap, block, len * GRANULE);
        assert_eq!(FOUND.take(), []);
        assert!(heap.verify().is_ok());
    }
}

/// Runs a test on heaps with 32-bit and with 16-bit links, with lists and without, with encoded links and without.
macro_rules! on_all_heaps {
    ($($name:ident: $test:ident;)*) => {$(
        #[test]
        fn $name() {
            $test::<Checked<Compact, Notes>>();
            $test::<Checked<RealTime, Notes>>();
            $test::<Checked<Micro, Notes>>();
            $test::<Hardened<Compact, Encoded, Notes>>();
        }
    )*};
}

on_all_heaps! {
    wrong_sizes_and_addresses_within_a_block_are_found: free_wrongly;
    what_is_no_block_is_not_freed: free_no_blocks;
    the_marks_follow_each_change_of_size: resize_by_one;
}
