//! The messages of reports, and what a handler may do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use talloc_core::{Call, Checked, Compact, Fault, Misuse, OwnedTalloc, Span, Talloc};

use crate::checked::{Noted, found, pointer};
use crate::common::{layout, memory};

fn heap<C: talloc_core::Config>() -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    // SAFETY: The memory is leaked, and nothing else uses it.
    unsafe { heap.init(memory(16 << 10)) };
    heap
}

#[test]
fn messages_name_the_call_and_the_fault() {
    let span = Span::from_base_size(0x1000, 48);
    let text =
        |call, fault| Misuse { call, addr: 0x1010, layout: layout(40, 8), fault }.to_string();
    let freeing = "freeing a block of 40 bytes aligned to 8 at 0x1010: ";
    for (fault, words) in [
        (Fault::Foreign, "foreign pointer, it is in no arena of the heap"),
        (Fault::Own { chunk: span }, "not a block, it is in the heap's own memory 0x1000..0x1030"),
        (
            Fault::NotABlock { block: span },
            "not a block's start, it is in the block 0x1000..0x1030",
        ),
        (Fault::AlreadyFree { chunk: span }, "already free, it is in the chunk 0x1000..0x1030"),
        (Fault::WrongSize { block: span }, "wrong size, the block has 48 bytes"),
        (Fault::WrongAlign { block: span }, "wrong alignment, the block is 0x1000..0x1030"),
        (Fault::Broken, "the heap is broken there"),
    ] {
        assert_eq!(text(Call::Free, fault), format!("{freeing}{words}"));
    }
    assert_eq!(
        text(Call::Grow { new_size: 30 }, Fault::WrongNewSize),
        "growing to 30 bytes a block of 40 bytes aligned to 8 at 0x1010: wrong new size"
    );
    assert!(text(Call::Shrink { new_size: 30 }, Fault::Foreign).starts_with("shrinking to 30 "));
    assert!(text(Call::Check, Fault::Foreign).starts_with("checking a block"));
}

#[test]
fn the_handler_panics_by_default_and_nothing_has_changed() {
    let mut heap = heap::<Checked>();
    let layout = layout(40, 8);
    // SAFETY: `malloc` has no preconditions.
    let block = unsafe { heap.malloc(layout) }.unwrap();
    let before = heap.verify().unwrap();
    // SAFETY: This is misuse, which the heap detects before it changes anything.
    let free = || unsafe { heap.free(block, self::layout(72, 8)) };
    let panic = catch_unwind(AssertUnwindSafe(free)).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("freeing a block of 72 bytes aligned to 8 at 0x"), "{message}");
    assert!(message.ends_with(": wrong size, the block has 40 bytes"), "{message}");
    assert_eq!(heap.verify().unwrap(), before);
    // SAFETY: The block is freed once.
    unsafe { heap.free(block, layout) };
    assert_eq!(heap.verify().unwrap().used_blocks, Some(0));
}

#[test]
fn a_new_size_on_the_wrong_side_is_reported() {
    let mut heap = heap::<Noted<Compact>>();
    let layout = layout(40, 8);
    // SAFETY: This is a block of the heap. The heap detects the wrong sizes.
    unsafe {
        let block = heap.malloc(layout).unwrap();
        assert!(heap.grow(block, layout, 39).is_err());
        assert!(heap.grow_in_place(block, layout, 39).is_err());
        heap.shrink(block, layout, 41);
        heap.free(block, layout);
    }
    let faults: Vec<_> = found().iter().map(|misuse| misuse.fault).collect();
    assert_eq!(faults, [Fault::WrongNewSize; 3]);
}

#[test]
fn sizes_that_take_the_same_bytes_are_the_same() {
    let mut heap = heap::<Noted<Compact>>();
    // SAFETY: This is a block of the heap. The sizes differ, but round to the same one.
    unsafe {
        for size in 33..=40 {
            let block = heap.malloc(layout(36, 4)).unwrap();
            heap.free(block, layout(size, 8));
        }
    }
    assert_eq!(found(), []);
}

#[test]
fn foreign_memory_is_not_touched() {
    let mut heap = heap::<Noted<Compact>>();
    // SAFETY: This is misuse, which the heap detects before it changes anything.
    unsafe {
        heap.free(pointer(64), layout(16, 8));
        heap.free(pointer(usize::MAX - 7), layout(16, 8));
        heap.free(pointer(usize::MAX), layout(isize::MAX as usize / 2, 8));
    }
    assert!(found().iter().all(|misuse| misuse.fault == Fault::Foreign));
    let mut empty = Talloc::<Noted<Compact>>::with_config();
    // SAFETY: This is misuse, which the heap detects before it changes anything.
    unsafe { empty.free(pointer(64), layout(16, 8)) };
    assert_eq!(found().len(), 1);
}
