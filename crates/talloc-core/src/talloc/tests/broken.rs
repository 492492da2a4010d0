//! Breaks one structure of a hardened heap at a time. The heap notices before it uses the structure.

use core::ptr::NonNull;
use std::cell::RefCell;
use std::vec::Vec;

use talloc_span::Span;

use super::{Block, Owned, layout};
use crate::checks::{Harden, Measures, State};
use crate::config::{Compact, Config, Hardened, RealTime};
use crate::granule::GRANULE;
use crate::misuse::{Fault, Misuse, OnMisuse};
use crate::quick::Lists;

std::thread_local! {
    static FOUND: RefCell<Vec<Fault>> = const { RefCell::new(Vec::new()) };
}

/// A handler that records reports.
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

struct Delayed;

impl Harden for Delayed {
    const MEASURES: Measures = Measures { delay: 1 << 13, ..Encoded::MEASURES };
}

/// The content of used blocks.
const PATTERN: u8 = 0x5a;

impl<C: Config> Owned<C> {
    /// Allocates a block that the test does not free. The heap must not overwrite it.
    fn keep(&mut self, granules: usize) -> Block {
        let block = self.take(granules);
        // SAFETY: The block has this size.
        unsafe { block.ptr.write_bytes(PATTERN, granules * GRANULE) };
        block
    }

    /// Frees a block of a broken heap.
    fn drop_block(&mut self, block: Block) {
        // SAFETY: The heap allocated the block with this layout, and it is freed once.
        unsafe { self.heap.free(block.ptr, block.layout) };
    }

    /// Requests a block from a broken heap. If the request succeeds, the block overlaps no other.
    #[track_caller]
    fn request(&mut self, granules: usize, kept: &[Block]) {
        // SAFETY: `malloc` has no preconditions.
        let Ok(new) = (unsafe { self.heap.malloc(layout(granules)) }) else { return };
        let span = |ptr: NonNull<u8>, bytes| Span::from_ptr_size(ptr.as_ptr(), bytes);
        let new = span(new, granules * GRANULE);
        assert!(kept.iter().all(|old| !span(old.ptr, old.layout.size()).overlaps(new)));
    }

    /// Expects that the heap has noticed the fault, fails requests, and has not changed a block.
    #[track_caller]
    fn expect_closed(&mut self, kept: &[Block]) {
        assert_eq!(FOUND.take(), [Fault::Broken]);
        // SAFETY: `malloc` has no preconditions.
        assert!(unsafe { self.heap.malloc(layout(1)) }.is_err());
        for block in kept {
            for at in 0..block.layout.size() {
                // SAFETY: The block belongs to the test.
                assert_eq!(unsafe { block.ptr.add(at).read() }, PATTERN, "byte {at}");
            }
        }
    }
}

/// Parameters without quick lists.
type Bins = Hardened<RealTime, Encoded, Notes>;

/// A heap with two free chunks.
struct TwoBins {
    heap: Owned<Bins>,
    /// The first granule of the larger chunk, which has 12 granules. The other one has 8.
    large: usize,
    kept: Vec<Block>,
    /// A block of 8 granules that can be freed.
    other: Block,
}

fn two_bins() -> TwoBins {
    let mut heap = Owned::new(126);
    let small = heap.take(8);
    let mut kept = std::vec![heap.keep(8)];
    let large = heap.take(12);
    kept.push(heap.keep(8));
    let other = heap.take(8);
    kept.push(heap.keep(8));
    let at = heap.at(&large);
    heap.give(small);
    heap.give(large);
    TwoBins { heap, large: at, kept, other }
}

/// Returns wrong granules for a head: a block, the top, the chunk of another bin, and one outside the arena.
fn wrong_heads() -> impl Iterator<Item = usize> {
    let TwoBins { heap, large, kept, .. } = two_bins();
    let arena = &heap.arenas.first;
    [heap.at(&kept[0]), arena.top(), large, arena.end() + 100].into_iter()
}

/// Points the head of the bin for 8 granules at each wrong granule, and calls `f` with the heap, its blocks, and
/// another block of 8 granules. Expects that the heap notices.
fn with_wrong_heads(f: impl Fn(&mut Owned<Bins>, &[Block], Block)) {
    for to in wrong_heads() {
        let TwoBins { mut heap, kept, other, .. } = two_bins();
        heap.arenas.first.set_head(8, to);
        f(&mut heap, &kept, other);
        heap.expect_closed(&kept);
    }
}

#[test]
fn a_wrong_head_is_noticed_by_a_request() {
    with_wrong_heads(|heap, kept, _| heap.request(8, kept));
}

#[test]
fn a_wrong_head_is_noticed_by_a_search_upwards() {
    with_wrong_heads(|heap, kept, _| heap.request(5, kept));
}

#[test]
fn a_wrong_head_is_noticed_when_a_chunk_is_put_before_it() {
    with_wrong_heads(|heap, _, other| heap.drop_block(other));
}

#[test]
fn a_bin_that_is_empty_but_mapped_is_noticed() {
    let number_of_a_bin = 12;
    for no_granule in [0, number_of_a_bin] {
        let TwoBins { mut heap, kept, .. } = two_bins();
        heap.arenas.first.set_head(8, no_granule);
        heap.request(5, &kept);
        heap.expect_closed(&kept);
    }
}

#[test]
fn a_chunk_whose_bin_is_not_mapped_is_noticed_when_a_neighbour_is_freed() {
    let TwoBins { mut heap, large, mut kept, .. } = two_bins();
    heap.arenas.first.unmap_bin(12);
    let above = kept.remove(1);
    assert_eq!(heap.at(&above), large + 12);
    heap.drop_block(above);
    heap.expect_closed(&kept);
}

#[test]
fn a_mark_below_a_free_chunk_is_noticed_by_a_request() {
    let TwoBins { mut heap, large, kept, .. } = two_bins();
    heap.arenas.first.set_bit(large - 1, true);
    heap.request(12, &kept);
    heap.expect_closed(&kept);
}

#[test]
fn a_mark_before_the_start_is_noticed_when_the_first_block_is_freed() {
    let mut heap = Owned::<Bins>::new(126);
    let [first, above] = [(); 2].map(|()| heap.keep(8));
    let start = heap.arenas.first.start();
    assert_eq!(heap.at(&first), start);
    heap.arenas.first.set_bit(start - 1, true);
    heap.drop_block(first);
    heap.expect_closed(&[above]);
}

/// Creates a heap with one block in the quick list for 8 granules.
fn listed() -> (Owned<Hardened<Compact, Encoded, Notes>>, Vec<Block>) {
    let mut heap = Owned::<Hardened<Compact, Encoded, Notes>>::new(500);
    let kept = std::vec![heap.keep(8)];
    let block = heap.take(8);
    heap.give(block);
    assert!(heap.quick.first(8).is_some());
    (heap, kept)
}

#[test]
fn a_lost_list_is_noticed_when_the_lists_are_flushed() {
    let (mut heap, kept) = listed();
    heap.quick.set_head(8, None);
    heap.flush();
    heap.expect_closed(&kept);
}

#[test]
fn a_lost_list_is_noticed_before_a_request_fails() {
    let (mut heap, kept) = listed();
    heap.quick.set_head(8, None);
    heap.request(1000, &kept);
    heap.expect_closed(&kept);
}

#[test]
fn a_list_that_starts_with_a_used_block_is_noticed() {
    let (mut heap, kept) = listed();
    heap.quick.set_head(8, Some(kept[0].ptr));
    heap.request(8, &kept);
    heap.expect_closed(&kept);
}

/// Creates a heap with a block in the queue, and another one to free.
fn queued() -> (Owned<Hardened<RealTime, Delayed, Notes>>, Vec<Block>, Block) {
    let mut heap = Owned::new(500);
    let kept = std::vec![heap.keep(8)];
    let [block, other] = [8; 2].map(|len| heap.take(len));
    heap.give(block);
    assert_eq!(heap.delayed_bytes(), 8 * GRANULE);
    (heap, kept, other)
}

#[test]
fn a_queue_that_ends_with_a_used_block_is_noticed() {
    let (mut heap, kept, other) = queued();
    heap.guard.get_mut().unwrap().delayed.set_last(kept[0].ptr);
    heap.drop_block(other);
    heap.expect_closed(&kept);
}

/// The block has no link, like one at the end of the queue.
#[test]
fn a_queue_that_ends_with_a_used_block_of_zeros_is_noticed() {
    let (mut heap, kept, other) = queued();
    let zeros = heap.take(8);
    // SAFETY: The block has this size.
    unsafe { zeros.ptr.write_bytes(0, 8 * GRANULE) };
    heap.guard.get_mut().unwrap().delayed.set_last(zeros.ptr);
    heap.drop_block(other);
    heap.expect_closed(&kept);
    // SAFETY: The block is aligned to 8, and its bytes are initialised.
    assert_eq!(unsafe { zeros.ptr.cast::<u64>().read() }, 0, "no link was written");
}

/// With 32-bit words, the length is stored only once.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_flipped_bit_of_a_length_is_noticed() {
    for bit in 0..usize::BITS as usize {
        let mut heap = Owned::<Hardened<RealTime, Delayed, Notes>>::new(5000);
        let kept = std::vec![heap.keep(8)];
        let block = heap.take(100);
        let at = heap.at(&block);
        heap.keep(8);
        heap.drop_block(block);
        assert_eq!(heap.delayed_bytes(), 100 * GRANULE, "it waits");
        heap.arenas.first.flip_len(at, 100, bit);
        heap.flush();
        heap.expect_closed(&kept);
    }
}

#[test]
fn a_walk_through_a_queue_with_a_circle_ends() {
    let (mut heap, kept, _) = queued();
    let guard = heap.guard.get_mut().unwrap();
    let first = guard.delayed.first().unwrap();
    // SAFETY: This is a cached block of 8 granules, with room for a link.
    unsafe { guard.delayed.push(guard.key, first, 8) };
    guard.delayed.set_last(kept[0].ptr);
    assert_eq!(heap.delayed_blocks().count(), 2);
}

/// The word that stores the length of a long block has bits that would be marks elsewhere.
#[test]
fn no_cached_block_starts_within_another_one() {
    for len in 64..128 {
        let mut heap = Owned::<Hardened<RealTime, Delayed, Notes>>::new(5000);
        let block = heap.take(len);
        let at = heap.at(&block);
        heap.drop_block(block);
        let arena = &heap.arenas.first;
        let found = |granule| arena.len_of_cached(arena.ptr(granule).addr().get());
        assert_eq!(found(at), Some(len));
        assert!((at + 1..at + len).all(|granule| found(granule).is_none()), "{len}");
    }
}

#[test]
fn a_queue_that_starts_with_a_used_block_is_noticed() {
    let (mut heap, kept, _) = queued();
    heap.guard.get_mut().unwrap().delayed.set_first(kept[0].ptr);
    heap.flush();
    heap.expect_closed(&kept);
}
