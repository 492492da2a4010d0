//! The cell: its supply, and reentrant use.

#![cfg(feature = "allocator")]

use core::alloc::Layout;
use core::cell::Cell;
use core::mem::MaybeUninit;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use allocator_api2::alloc::Allocator;
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use talloc_sync::{ArenaError, MemorySupply, Micro, NoSupply, SOURCE_TRIES, Span, TallocCell};

const PAGE: usize = 8192;

type Page = &'static mut [MaybeUninit<u8>];

/// Returns a leaked page.
fn page() -> Page {
    std::vec![MaybeUninit::uninit(); PAGE].leak()
}

#[test]
fn an_empty_cell_allocates_only_size_zero() {
    let cell = TallocCell::empty();
    assert!(Box::try_new_in(1_u8, &cell).is_err());
    assert!(Box::try_new_in((), &cell).is_ok());
    assert!(cell.get_arena().is_empty() && cell.get_allocatable_span().is_empty());
    assert_eq!(cell.arenas().count(), 0);
    assert_eq!(cell.verify().unwrap().arena_bytes, 0);
}

#[test]
fn memory_of_any_size_will_do() {
    for size in 0..300 {
        let mut memory = std::vec![MaybeUninit::uninit(); size];
        let cell = TallocCell::new(&mut memory);
        let bytes = core::iter::from_fn(|| Box::try_new_in(1_u8, &cell).ok());
        let bytes: std::vec::Vec<_> = bytes.collect();
        cell.verify().unwrap();
        assert!(bytes.iter().all(|byte| **byte == 1));
        drop(bytes);
        assert_eq!(cell.verify().unwrap().used_bytes, 0);
    }
}

#[test]
fn memory_too_large_for_the_links_becomes_several_arenas() {
    let mut memory = std::vec![MaybeUninit::uninit(); 1 << 20];
    let cell = TallocCell::<Micro>::with_config();
    assert_eq!(cell.claim(&mut memory), Ok(()));
    assert_eq!(cell.arenas().map(|arena| arena.size()).sum::<usize>(), 1 << 20);
}

#[test]
fn memory_too_large_for_the_only_arena_is_refused() {
    let mut memory = std::vec![MaybeUninit::uninit(); 1 << 20];
    let cell = TallocCell::<talloc_sync::Tiny>::with_config();
    assert_eq!(cell.claim(&mut memory), Err(ArenaError::TooFar));
    assert_eq!(cell.arenas().count(), 0);
}

#[test]
fn memory_can_be_added_while_blocks_are_in_use() {
    let (mut first, mut second) =
        ([MaybeUninit::uninit(); PAGE], [MaybeUninit::uninit(); 2 * PAGE]);
    let cell = TallocCell::new(&mut first);
    let mut numbers = Vec::with_capacity_in(500, &cell);
    numbers.extend(0..500_u64);
    assert!(numbers.try_reserve_exact(1000).is_err());

    cell.claim(&mut second).unwrap();
    numbers.reserve_exact(1000);
    assert!(numbers.iter().copied().eq(0..500));
    let arenas: std::vec::Vec<Span> = cell.arenas().collect();
    assert_eq!([arenas[0].size(), arenas[1].size()], [PAGE, 2 * PAGE]);
    assert!(arenas[1].contains_ptr(numbers.as_mut_ptr().cast()));
    assert!(cell.allocated_span_of(arenas[1]).unwrap().size() >= 12_000);
    assert_eq!(cell.allocated_span_of(Span::empty()), Err(ArenaError::NoSuchArena));
    drop(numbers);
    assert!(cell.get_allocated_span().is_empty());
    cell.verify().unwrap();
}

#[test]
fn memory_that_was_allocated_is_refused_by_its_own_cell() {
    let cell: &TallocCell = std::boxed::Box::leak(std::boxed::Box::new(TallocCell::new(page())));
    let block = Box::leak(Box::new_in([MaybeUninit::uninit(); PAGE / 2], cell));
    assert_eq!(cell.claim(block), Err(ArenaError::Overlap));

    let block = Box::leak(Box::new_in([MaybeUninit::uninit(); PAGE / 4], cell));
    let nested = TallocCell::new(block);
    assert_eq!(*Box::new_in(7, &nested), 7);
    nested.verify().unwrap();
    assert_eq!(cell.verify().unwrap().used_bytes, PAGE / 2 + PAGE / 4);
}

#[test]
fn the_same_memory_serves_one_cell_after_the_other() {
    let mut memory = [MaybeUninit::uninit(); PAGE];
    for round in 0..10_u8 {
        let cell = TallocCell::new(&mut memory);
        // The box is forgotten, and the next cell gets all of the memory.
        core::mem::forget(Box::new_in([round; PAGE / 2], &cell));
        assert_eq!(cell.verify().unwrap().used_bytes, PAGE / 2);
    }
}

#[test]
fn a_cell_can_be_moved_and_sent_when_nothing_is_borrowed() {
    let mut memory = std::vec![MaybeUninit::uninit(); PAGE];
    let cell = TallocCell::new(&mut memory);
    core::mem::forget(Box::new_in([1_u64; 10], &cell));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let number = Box::new_in(2, &cell);
            assert_eq!((*number, cell.verify().unwrap().used_bytes), (2, 96));
        });
    });
}

#[test]
fn every_operation_asks_the_supply() {
    let pages = Cell::new(0);
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    let large = layout(PAGE / 2);
    let (small, larger) = (layout(8), layout(PAGE / 2 + 8));
    for trial in 0..4 {
        pages.set(0);
        let cell = TallocCell::empty().with_supply_fn(|_| {
            pages.set(pages.get() + 1);
            Some(page())
        });
        let heap = &cell;
        heap.allocate(large).unwrap();
        let block = heap.allocate(small).unwrap().cast();
        assert_eq!(pages.get(), 1);
        // SAFETY: The block has the layout `small`, and later the larger one.
        unsafe {
            match trial {
                0 => heap.allocate(larger).unwrap(),
                1 => heap.allocate_zeroed(larger).unwrap(),
                2 => heap.grow(block, small, larger).unwrap(),
                _ => heap.grow_zeroed(block, small, larger).unwrap(),
            };
        }
        assert_eq!(pages.get(), 2);
        cell.verify().unwrap();
    }
}

#[test]
fn shrinking_asks_the_supply_if_it_must_move_the_block() {
    let cell = TallocCell::empty().with_supply_fn(|_| Some(page()));
    let heap = &cell;
    let old = Layout::from_size_align(PAGE - 200, 8).unwrap();
    let new = Layout::from_size_align(2048, 4096).unwrap();
    let block = heap.allocate(old).unwrap().cast();
    // SAFETY: The block has the layout `old`, and the new size is smaller.
    let block = unsafe { heap.shrink(block, old, new) }.unwrap().cast::<u8>();
    assert!(block.addr().get() % 4096 == 0);
    assert_eq!(cell.verify().unwrap().used_bytes, 2048);
}

#[test]
fn a_supply_is_asked_until_there_is_enough_or_no_more() {
    // The supply runs out.
    let mut small = (0..3).map(|_| page());
    let cell = TallocCell::empty().with_supply_fn(|_| small.next());
    assert!(Box::try_new_in([0_u8; 2 * PAGE], &cell).is_err());
    assert_eq!(cell.arenas().count(), 3);

    // The heap refuses a page that is too small: a second arena needs room for its control block.
    let mut asked = 0;
    let cell = TallocCell::new(page()).with_supply_fn(|_| {
        asked += 1;
        Some(&mut [])
    });
    assert!(Box::try_new_in([0_u8; PAGE], &cell).is_err());
    assert_eq!(asked, 1);

    // The heap accepts memory that is too small for the request, again and again.
    let mut asked = 0;
    let cell = TallocCell::empty().with_supply_fn(|_| {
        asked += 1;
        Some(&mut [])
    });
    assert!(Box::try_new_in(1_u8, &cell).is_err());
    assert_eq!(asked, SOURCE_TRIES);
}

/// A supply of a nameable type that uses its cell.
struct Returning {
    cell: Weak<TallocCell<'static, talloc_sync::Compact, Returning>>,
    /// Whether each allocation by the supply succeeded.
    seen: std::vec::Vec<bool>,
}

impl MemorySupply<'static> for Returning {
    fn supply(&mut self, _: Layout) -> Option<Page> {
        let cell = self.cell.upgrade().unwrap();
        if self.seen.is_empty() {
            // The heap has no memory, and the supply is in use.
            self.seen.push(Box::try_new_in(1_u8, &*cell).is_ok());
            cell.claim(page()).unwrap();
            // The heap has memory now.
            self.seen.push(Box::try_new_in(2_u8, &*cell).is_ok());
            cell.verify().unwrap();
            cell.flush();
        }
        (self.seen.len() < 4).then(page)
    }
}

#[test]
fn a_supply_may_use_its_cell() {
    let cell = Rc::new_cyclic(|cell| {
        TallocCell::empty().with_supply(Returning { cell: cell.clone(), seen: Default::default() })
    });
    let block = Box::new_in([7_u8; 5000], &*cell);
    assert_eq!(cell.verify().unwrap().used_bytes, 5000);
    drop(block);
    let supply = Rc::into_inner(cell).unwrap().into_supply();
    assert_eq!(supply.seen, [false, true]);
}

#[test]
fn a_supply_may_panic() {
    let mut calm = false;
    let mut cell = TallocCell::new(page()).with_supply_fn(|_| {
        assert!(core::mem::replace(&mut calm, true), "no memory");
        Some(page())
    });
    let small = Box::new_in([1_u8; 5000], &cell);
    let large = catch_unwind(AssertUnwindSafe(|| Box::new_in([2_u8; 5000], &cell)));
    drop(large.unwrap_err());
    assert_eq!(cell.verify().unwrap().used_bytes, 5000);

    let large = Box::new_in([3_u8; 5000], &cell);
    assert_eq!((small[0], large[0]), (1, 3));
    drop((small, large));
    cell.supply_mut()(Layout::new::<u8>()).unwrap();
    assert_eq!(cell.verify().unwrap().used_bytes, 0);
}

/// Runs a random program whose supply panics at call `call`, before it provides memory. Returns the number of calls,
/// and whether one has panicked.
fn run_with_panic_at(call: usize) -> (usize, bool) {
    let (mut calls, mut panics) = (0, false);
    let mut random = fastrand::Rng::with_seed(1);
    let supply = |_| {
        calls += 1;
        assert_ne!(calls, call, "no memory");
        (calls % 3 != 0).then(page)
    };
    let cell = TallocCell::empty().with_supply_fn(supply);
    let mut blocks: std::vec::Vec<Vec<u8, _>> = std::vec::Vec::new();
    for tag in 0..200 {
        let size = random.usize(1..PAGE / 3);
        let step = AssertUnwindSafe(|| match random.u8(0..4) {
            0 if !blocks.is_empty() => {
                let number = random.usize(0..blocks.len());
                drop(blocks.swap_remove(number));
            }
            1 if !blocks.is_empty() => {
                let number = random.usize(0..blocks.len());
                let block = &mut blocks[number];
                if block.try_reserve_exact(size).is_ok() {
                    block.resize(block.len() + size, block[0]);
                }
            }
            _ => {
                let mut block = Vec::new_in(&cell);
                if block.try_reserve_exact(size).is_ok() {
                    block.resize(size, tag);
                    blocks.push(block);
                }
            }
        });
        panics |= catch_unwind(step).is_err();
        cell.verify().unwrap();
    }
    assert!(blocks.iter().all(|block| block.iter().all(|byte| *byte == block[0])));
    drop(blocks);
    assert_eq!(cell.verify().unwrap().used_bytes, 0);
    (calls, panics)
}

#[test]
#[cfg_attr(miri, ignore = "too slow in Miri")]
fn a_supply_may_panic_at_any_call() {
    let (calls, panics) = run_with_panic_at(usize::MAX);
    assert!(calls > 10 && !panics, "{calls} calls");
    for call in 1..=calls {
        assert!(run_with_panic_at(call).1, "at call {call}");
    }
}

#[test]
fn a_supply_can_be_replaced() {
    let cell = TallocCell::empty().with_supply_fn(|_| Some(page()));
    core::mem::forget(Box::new_in(1_u8, &cell));
    let cell = cell.with_supply(NoSupply);
    assert_eq!(cell.arenas().count(), 1);
    assert!(Box::try_new_in([0_u8; PAGE], &cell).is_err());
}

/// A writer that allocates from the cell that is being printed.
struct Allocating<'a>(&'a TallocCell<'a>, std::string::String);

impl Write for Allocating<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut copy = Vec::new_in(self.0);
        copy.extend(text.bytes());
        self.1.push_str(core::str::from_utf8(&copy).map_err(|_| fmt::Error)?);
        Ok(())
    }
}

#[test]
fn a_cell_can_be_used_while_it_is_printed() {
    let cell = TallocCell::new(page());
    let mut writer = Allocating(&cell, Default::default());
    write!(writer, "{cell:?}").unwrap();
    assert_eq!(writer.1, std::format!("{cell:?}"));
    assert!(writer.1.starts_with("TallocCell(Talloc { arenas: [0x"), "{}", writer.1);

    for arena in cell.arenas().take(3) {
        assert_eq!(arena.size(), PAGE);
        let _ = Box::new_in([0_u8; 100], &cell);
        cell.claim(page()).unwrap();
    }
    cell.verify().unwrap();
}
