//! Faults of allocating, freeing and resizing.

use std::alloc::Layout;
use std::ptr::NonNull;

use talloc_core::AllocError;
use talloc_fuzz::Op;
use talloc_fuzz::supply::Kind;

use crate::mutants::{FIRST, Faults, HONEST, LAST, expect, expect_by, malloc, script};

#[test]
fn a_block_given_out_twice() {
    let faults = Faults {
        malloc: |mutant, layout| {
            if let Some((ptr, _)) = mutant.note.take() {
                return Ok(ptr);
            }
            let ptr = unsafe { mutant.heap.malloc(layout) }?;
            mutant.note = Some((ptr, layout));
            Ok(ptr)
        },
        ..HONEST
    };
    expect(faults, &[malloc(24, 8), malloc(24, 8)], "block b1 overlaps block b0");
}

#[test]
fn a_block_too_small() {
    let faults = Faults {
        malloc: |mutant, layout| {
            let half = Layout::from_size_align(layout.size() / 2, layout.align());
            unsafe { mutant.heap.malloc(half.map_err(|_| AllocError)?) }
        },
        ..HONEST
    };
    let script = script(Kind::Refuse, &[malloc(64, 8)]);
    expect_by(faults, &script, "the live blocks take 64 bytes");
}

#[test]
fn a_block_misaligned() {
    let faults = Faults {
        malloc: |mutant, layout| {
            let layout = Layout::from_size_align(layout.size(), 1);
            unsafe { mutant.heap.malloc(layout.map_err(|_| AllocError)?) }
        },
        ..HONEST
    };
    expect(faults, &[malloc(24, 8), malloc(24, 4096)], "block b1 is misaligned");
}

#[test]
fn a_block_outside_of_the_arenas() {
    let faults = Faults {
        malloc: |mutant, _| {
            let end = mutant.heap.get_arena().to_ptr_range().ok_or(AllocError)?.end;
            let end = end.map_addr(|addr| addr.next_multiple_of(8));
            NonNull::new(end).ok_or(AllocError)
        },
        ..HONEST
    };
    expect(faults, &[malloc(24, 8)], "block b0 does not lie in an arena");
}

#[test]
fn a_block_that_is_not_zero() {
    let faults = Faults {
        malloc_zeroed: |mutant, layout| unsafe {
            let block = mutant.heap.malloc_zeroed(layout)?;
            block.add(layout.size() / 2).write(1);
            Ok(block)
        },
        ..HONEST
    };
    let ops = [Op::MallocZeroed { size: 64, align: 8 }];
    expect(faults, &ops, "block b0 is not zero at its byte 32");
}

#[test]
fn a_block_that_is_less_zero_than_said() {
    let faults = Faults {
        malloc_dirty: |mutant, layout| unsafe {
            let block = mutant.heap.malloc_zeroed(layout)?;
            block.add(layout.size() / 2).write(1);
            Ok((block, layout.size() / 2))
        },
        ..HONEST
    };
    let ops = [Op::MallocDirty { size: 64, align: 8 }];
    expect(faults, &ops, "block b0 is not zero at its byte 32");
}

#[test]
fn a_request_refused_for_no_reason() {
    let faults = Faults { malloc: |_, _| Err(AllocError), ..HONEST };
    expect(faults, &[malloc(24, 8)], "refused Layout");
}

#[test]
fn a_refusal_that_costs_memory() {
    let faults = Faults {
        malloc: |mutant, layout| {
            unsafe { mutant.heap.malloc(layout) }.inspect_err(|_| {
                let _lost = unsafe { mutant.heap.malloc(Layout::new::<u64>()) };
            })
        },
        ..HONEST
    };
    expect(faults, &[malloc(10_000, 8)], "the live blocks take 0 bytes");
}

#[test]
fn a_free_that_does_nothing() {
    let faults = Faults { free: |_, _, _| (), ..HONEST };
    expect(faults, &[malloc(24, 8)], "the live blocks take 0 bytes");
}

#[test]
fn a_free_that_writes_to_another_block() {
    let faults = Faults {
        free: |mutant, ptr, layout| unsafe {
            mutant.heap.free(ptr, layout);
            // The other block follows directly.
            let next = ptr.add(layout.size()).as_ptr();
            next.write(!next.read());
        },
        ..HONEST
    };
    let ops = [malloc(24, 8), malloc(24, 8), Op::Free { pick: FIRST }];
    let complaint = "block b1 was overwritten at its byte 0";
    expect_by(faults, &script(Kind::Refuse, &ops), complaint);
}

#[test]
fn a_growth_that_forgets_the_contents() {
    let faults = Faults {
        grow: |mutant, ptr, layout, size| unsafe {
            let new = Layout::from_size_align(size, layout.align()).map_err(|_| AllocError)?;
            let new = mutant.heap.malloc(new)?;
            mutant.heap.free(ptr, layout);
            Ok(new)
        },
        ..HONEST
    };
    let ops = [malloc(24, 8), Op::Grow { pick: FIRST, more: 100 }];
    expect(faults, &ops, "its contents were not kept");
}

#[test]
fn a_growth_that_keeps_the_old_block() {
    let faults = Faults {
        grow: |mutant, ptr, layout, size| unsafe {
            let new = Layout::from_size_align(size, layout.align()).map_err(|_| AllocError)?;
            let new = mutant.heap.malloc(new)?;
            new.copy_from_nonoverlapping(ptr, layout.size());
            Ok(new)
        },
        ..HONEST
    };
    let ops = [malloc(24, 8), Op::Grow { pick: FIRST, more: 100 }];
    expect(faults, &ops, "the live blocks take 128 bytes");
}

#[test]
fn a_growth_refused_for_no_reason() {
    let faults = Faults { grow: |_, _, _, _| Err(AllocError), ..HONEST };
    let ops = [malloc(24, 8), Op::Grow { pick: FIRST, more: 100 }];
    expect(faults, &ops, "refused Layout");
}

#[test]
fn a_growth_in_place_that_takes_no_memory() {
    let faults = Faults { grow_in_place: |_, _, _, _| Ok(()), ..HONEST };
    let ops = [malloc(24, 8), malloc(24, 8), Op::GrowInPlace { pick: FIRST, more: 8 }];
    expect(faults, &ops, "block b0 overlaps block b1");
    let ops = [malloc(24, 8), Op::GrowInPlace { pick: LAST, more: 8 }];
    expect(faults, &ops, "the live blocks take 32 bytes");
}

#[test]
fn a_growth_in_place_refused_within_the_block() {
    let faults = Faults {
        grow_in_place: |mutant, ptr, layout, size| {
            if size <= layout.size().next_multiple_of(8) {
                return Err(AllocError);
            }
            unsafe { mutant.heap.grow_in_place(ptr, layout, size) }.map(|_| ())
        },
        ..HONEST
    };
    let ops = [malloc(30, 8), Op::GrowInPlace { pick: FIRST, more: 2 }];
    expect(faults, &ops, "refused to grow a block within the bytes it takes");
}

#[test]
fn a_shrinking_that_releases_nothing() {
    let faults = Faults { shrink: |_, _, _, _| (), ..HONEST };
    let ops = [malloc(64, 8), Op::Shrink { pick: FIRST, less: 32 }];
    expect(faults, &ops, "the live blocks take 32 bytes");
}
