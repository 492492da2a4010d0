//! Breaks one invariant at a time. `verify` must name it.

use std::vec;

use talloc_span::Span;

use super::{Block, Owned, layout};
use crate::config::{Checked, Compact, Hardened, RealTime};
use crate::memory::Memory;
use crate::quick::Lists;
use crate::report::Violation;
use crate::talloc::Talloc;
use crate::talloc::arenas::sabotage::Fault;

/// Creates a heap with two free chunks in one bin, the upper one first. Returns the heap, its blocks, and the granules
/// of the free chunks.
fn heap() -> (Owned<RealTime>, [Block; 2], [usize; 2]) {
    let mut heap = Owned::<RealTime>::new(126);
    let [a, b, c, d] = [8; 4].map(|len| heap.take(len));
    let free = [heap.at(&a), heap.at(&c)];
    heap.give(a);
    heap.give(c);
    heap.expect("own 2, free 8, used 8, free 8, used 8, top 92");
    (heap, [b, d], free)
}

#[test]
fn bounds() {
    let (mut heap, _, _) = heap();
    let end = heap.arenas.first.end() + 1;
    heap.arenas.first.set_end(end);
    assert_eq!(heap.verify(), Err(Violation::Bounds { arena: heap.get_arena() }));

    let (mut heap, _, _) = self::heap();
    let top = heap.arenas.first.end() + 1;
    heap.arenas.first.set_top(top);
    assert_eq!(heap.verify(), Err(Violation::Bounds { arena: heap.get_arena() }));
}

#[test]
fn size() {
    for size in [0, 1000] {
        let (mut heap, _, [low, _]) = heap();
        heap.arenas.first.set_word(low, 0, size);
        let addr = heap.arenas.first.ptr(low).addr().get();
        assert_eq!(heap.verify(), Err(Violation::Size { addr }));
    }
}

#[test]
fn sizes_differ() {
    let (mut heap, _, [low, _]) = heap();
    heap.arenas.first.set_word(low + 7, 1, 9);
    let addr = heap.arenas.first.ptr(low).addr().get();
    assert_eq!(heap.verify(), Err(Violation::SizesDiffer { addr }));
}

#[test]
fn mark_missing() {
    let (mut heap, _, [low, _]) = heap();
    heap.arenas.first.set_bit(low + 7, false);
    let addr = heap.arenas.first.ptr(low).addr().get();
    assert_eq!(heap.verify(), Err(Violation::MarkMissing { addr }));
}

#[test]
fn mark_stray() {
    let (mut heap, _, [low, _]) = heap();
    heap.arenas.first.set_bit(low + 3, true);
    let addr = heap.arenas.first.ptr(low + 3).addr().get();
    assert_eq!(heap.verify(), Err(Violation::MarkStray { addr }));
}

#[test]
fn not_coalesced_with_another() {
    let (mut heap, [b, _], [low, _]) = heap();
    let at = heap.at(&b);
    heap.arenas.first.set_word(at, 0, 8);
    heap.arenas.first.set_word(at + 7, 1, 8);
    heap.arenas.first.set_bit(at, true);
    heap.arenas.first.set_bit(at + 7, true);
    let addr = heap.arenas.first.ptr(low).addr().get();
    assert_eq!(heap.verify(), Err(Violation::NotCoalesced { addr }));
}

#[test]
fn not_coalesced_with_the_top() {
    let (mut heap, _, [_, high]) = heap();
    heap.arenas.first.set_top(high + 8);
    let addr = heap.arenas.first.ptr(high).addr().get();
    assert_eq!(heap.verify(), Err(Violation::NotCoalesced { addr }));
}

#[test]
fn back_link() {
    let (mut heap, _, [low, _]) = heap();
    heap.arenas.first.set_word(low, 2, 8);
    let addr = heap.arenas.first.ptr(low).addr().get();
    assert_eq!(heap.verify(), Err(Violation::BackLink { addr }));
}

#[test]
fn not_in_bin() {
    let (mut heap, [b, _], [_, high]) = heap();
    for to in [heap.at(&b), heap.arenas.first.top(), heap.arenas.first.end() + 100] {
        heap.arenas.first.set_word(high, 1, to);
        let addr = heap.arenas.first.ptr(to).addr().get();
        assert_eq!(heap.verify(), Err(Violation::NotInBin { addr }));
    }
}

#[test]
fn not_in_the_bin_of_its_size() {
    let mut heap = Owned::<RealTime>::new(126);
    let [small, _a, large, _b] = [8, 8, 12, 8].map(|len| heap.take(len));
    let (small_at, large_at) = (heap.at(&small), heap.at(&large));
    heap.give(small);
    heap.give(large);
    heap.arenas.first.set_word(small_at, 1, large_at);
    let addr = heap.arenas.first.ptr(large_at).addr().get();
    assert_eq!(heap.verify(), Err(Violation::NotInBin { addr }));
}

#[test]
fn bin_count() {
    // The lower chunk is missing from the list.
    let (mut heap, _, [_, high]) = heap();
    heap.arenas.first.set_word(high, 1, 0);
    assert_eq!(heap.verify(), Err(Violation::BinCount { arena: heap.get_arena() }));

    // The list is circular.
    let (mut heap, _, [low, high]) = self::heap();
    heap.arenas.first.set_word(low, 1, high);
    let addr = heap.arenas.first.ptr(high).addr().get();
    assert_eq!(heap.verify(), Err(Violation::BackLink { addr }));
}

#[test]
fn map() {
    let (mut heap, _, _) = heap();
    heap.arenas.first.map_bin(100);
    assert_eq!(heap.verify(), Err(Violation::Map { bin: 100 }));
}

#[test]
fn own() {
    let (mut heap, _, [low, _]) = heap();
    let top = heap.arenas.first.top();
    for at in [low, top] {
        heap.arenas.first.set_own(at);
        assert_eq!(heap.verify(), Err(Violation::Own { arena: heap.get_arena() }));
    }
}

#[test]
fn own_canary() {
    for granule in 1..=8 {
        let heap = Owned::<Hardened<RealTime>>::new(126);
        heap.verify().unwrap();
        let own = heap.arenas.first.own();
        let word = heap.arenas.first.ptr(own.end - granule).cast::<u64>();
        // SAFETY: The word is in the heap's memory.
        unsafe { word.write(word.read() ^ 1 << 40) };
        let addr = heap.arenas.first.ptr(own.end - 8).addr().get();
        assert_eq!(heap.verify(), Err(Violation::OwnCanary { addr }));
    }
}

#[test]
fn not_zero() {
    let mut memory = vec![0_u64; 1000];
    let mut heap = Talloc::<RealTime>::with_config();
    // SAFETY: The memory is zero, and lives as long as the heap.
    unsafe {
        heap.arenas_mut()
            .claim_as(Span::from_ptr_size(memory.as_mut_ptr().cast(), 8000), Memory::ZEROED)
    }
    .unwrap();
    // SAFETY: `malloc` has no preconditions, and the block has as many bytes.
    unsafe { heap.malloc(layout(200)).unwrap().write_bytes(0xff, 1600) };
    heap.verify().unwrap();
    let addr = heap.arenas.first.zero_from();
    // `verify` reads 512 bytes.
    for (at, violation) in [(0, true), (1, true), (511, true), (512, false)] {
        let byte = heap.arenas.first.ptr(0).with_addr(addr.try_into().unwrap());
        // SAFETY: The byte is in the arena, above all blocks.
        unsafe { byte.add(at).write(1) };
        let expected = if violation { Err(Violation::NotZero { addr: addr + at }) } else { Ok(()) };
        assert_eq!(heap.verify().map(|_| ()), expected);
        // SAFETY: As above.
        unsafe { byte.add(at).write(0) };
    }
}

/// Creates a heap with two cached blocks. Returns their granules, the one freed last first.
fn cached() -> (Owned<Compact>, [usize; 2]) {
    let mut heap = Owned::<Compact>::new(500);
    let [a, _b, c] = [8; 3].map(|len| heap.take(len));
    let at = [heap.at(&c), heap.at(&a)];
    heap.give(a);
    heap.give(c);
    assert_eq!(heap.verify().unwrap().cached_blocks, 2);
    (heap, at)
}

#[test]
fn cached_block() {
    // A part of the block is marked as free.
    let (mut heap, [last, _]) = cached();
    heap.arenas.first.set_word(last + 3, 0, 1);
    heap.arenas.first.set_word(last + 3, 1, 1);
    heap.arenas.first.set_bit(last + 3, true);
    let addr = heap.arenas.first.ptr(last).addr().get();
    assert_eq!(heap.verify(), Err(Violation::CachedBlock { addr }));

    // The block lies in the top.
    let (mut heap, _) = cached();
    let block = heap.arenas.first.ptr(heap.arenas.first.top() + 1);
    let len = 8;
    // SAFETY: The block is free memory of the arena.
    unsafe { heap.quick.push(block, len) };
    let addr = block.addr().get();
    assert_eq!(heap.verify(), Err(Violation::CachedBlock { addr }));
}

#[test]
fn cached_count() {
    // The list ends too early.
    let (heap, [last, _]) = cached();
    let link = heap.arenas.first.ptr(last).cast::<usize>();
    // SAFETY: A cached block starts with its link.
    unsafe { link.write(0) };
    assert_eq!(heap.verify(), Err(Violation::CachedCount));

    // The list is circular.
    let (heap, [last, first]) = cached();
    let link = heap.arenas.first.ptr(first).cast();
    // SAFETY: A cached block starts with its link.
    unsafe { link.write(heap.arenas.first.ptr(last)) };
    assert_eq!(heap.verify(), Err(Violation::CachedCount));
}

#[test]
fn cached_beyond_the_limit() {
    let (mut heap, _) = cached();
    heap.quick.set_limit(15);
    assert_eq!(heap.verify(), Err(Violation::CachedCount));
    heap.quick.set_limit(16);
    heap.verify().unwrap();
}

/// Creates a checked heap with two blocks of 8 granules. The second one is cached.
fn checked() -> (Owned<Checked>, [usize; 2]) {
    let mut heap = Owned::<Checked>::new(500);
    let [a, b] = [8; 2].map(|len| heap.take(len));
    let at = [heap.at(&a), heap.at(&b)];
    heap.give(b);
    let report = heap.verify().unwrap();
    assert_eq!((report.used_blocks, report.cached_blocks), (Some(1), 1));
    (heap, at)
}

#[test]
fn block_mark() {
    // A block has no mark.
    let (mut heap, [used, _]) = checked();
    heap.arenas.first.take_back(used, 8);
    let addr = heap.arenas.first.ptr(used).addr().get();
    assert_eq!(heap.verify(), Err(Violation::BlockMark { addr }));

    // A granule within a free chunk has a mark.
    let mut heap = Owned::<Checked<RealTime>>::new(500);
    let [a, _b] = [8; 2].map(|len| heap.take(len));
    let at = heap.at(&a);
    heap.give(a);
    heap.arenas.first.mark_block(at + 1);
    let addr = heap.arenas.first.ptr(at).addr().get();
    assert_eq!(heap.verify(), Err(Violation::BlockMark { addr }));
}

/// Creates a checked heap with a block of 300 granules. Returns its first granule.
fn long() -> (Owned<Checked>, usize) {
    let mut heap = Owned::<Checked>::new(1000);
    let block = heap.take(300);
    let at = heap.at(&block);
    (heap, at)
}

#[test]
fn marks_of_long_blocks() {
    // There is a mark within the block, where `free` does not look for its end.
    let (mut heap, at) = long();
    heap.arenas.first.mark_block(at + 250);
    let addr = heap.arenas.first.ptr(at).addr().get();
    assert_eq!(heap.verify(), Err(Violation::BlockMark { addr }));

    // The length is missing.
    let (mut heap, at) = long();
    heap.arenas.first.resize(at, 300, 1);
    let addr = heap.arenas.first.ptr(at).addr().get();
    assert_eq!(heap.verify(), Err(Violation::BlockMark { addr }));
}

#[test]
fn cached_marks() {
    // A cached block is marked as used.
    let (mut heap, [_, cached]) = checked();
    heap.arenas.first.reuse(cached);
    let addr = heap.arenas.first.ptr(cached).addr().get();
    assert_eq!(heap.verify(), Err(Violation::CachedBlock { addr }));

    // A used block is marked as cached.
    let (mut heap, [used, _]) = checked();
    heap.arenas.first.set_aside(used);
    assert_eq!(heap.verify(), Err(Violation::CachedCount));

    // A cached block has the marks of two.
    let (mut heap, [_, cached]) = checked();
    heap.arenas.first.mark_block(cached + 4);
    heap.arenas.first.set_aside(cached + 4);
    let addr = heap.arenas.first.ptr(cached).addr().get();
    assert_eq!(heap.verify(), Err(Violation::CachedBlock { addr }));
}

#[test]
fn arenas_overlap() {
    let mut heap = Owned::<RealTime>::new(1024);
    let below = heap.whole().below(heap.get_arena().base().unwrap());
    // SAFETY: Nothing uses this part of the memory yet.
    unsafe { heap.claim(below) }.unwrap();
    heap.verify().unwrap();
    let wider = heap.get_arena().extend(8, 0);
    heap.arenas.first.set_span(wider);
    assert_eq!(heap.verify(), Err(Violation::ArenasOverlap { arena: wider }));
}

#[test]
fn index() {
    for fault in Fault::ALL {
        let mut heap = Owned::<RealTime>::new(2048);
        let below = heap.whole().below(heap.get_arena().base().unwrap());
        let (low, high) = below.split_at(below.base().unwrap() + below.size() / 2);
        // SAFETY: Nothing uses this part of the memory yet.
        unsafe {
            heap.claim(low).unwrap();
            heap.claim(high).unwrap();
        }
        heap.verify().unwrap();
        heap.arenas.break_index(fault);
        assert_eq!(heap.verify(), Err(Violation::Index), "{fault:?}");
    }
}

#[test]
fn not_an_arena() {
    let mut heap = Owned::<RealTime>::new(1024);
    let below = heap.whole().below(heap.get_arena().base().unwrap());
    // SAFETY: Nothing uses this part of the memory yet.
    unsafe { heap.claim(below) }.unwrap();
    heap.arenas.recent = heap.arenas.others.take();
    assert_eq!(heap.verify(), Err(Violation::NotAnArena));
}

#[test]
fn violations_say_what_is_wrong() {
    let (mut heap, _, [low, _]) = heap();
    heap.arenas.first.set_bit(low + 7, false);
    let text = std::format!("{}", heap.verify().unwrap_err());
    let addr = heap.arenas.first.ptr(low).addr().get();
    assert_eq!(text, std::format!("the end of the free chunk at {addr:#x} is not marked"));
}
