//! Faults of discarding free memory.

use std::alloc::Layout;

use talloc_core::{Memory, Span};
use talloc_fuzz::Op;
use talloc_fuzz::ops::Pick;

use crate::mutants::{FIRST, Faults, HONEST, LAST, expect, malloc};

/// Discards a free chunk between used ones in a second arena.
const DISCARD: [Op; 6] = [
    Op::Claim { gap: LAST, at: FIRST, size: 8192, memory: Memory::RECLAIMABLE },
    malloc(3000, 8),
    malloc(3000, 8),
    malloc(3000, 8),
    Op::Free { pick: Pick(128) },
    Op::Discard { unit: 8, least: 64, zeroed: false },
];

#[test]
fn the_tag_of_a_free_chunk_discarded() {
    let faults = Faults {
        discard: |mutant, unit, least, discard| unsafe {
            mutant.heap.arenas_mut().discard(unit, least, |piece| discard(piece.extend(0, 8)))
        },
        ..HONEST
    };
    expect(faults, &DISCARD, "verify: ");
}

#[test]
fn a_used_block_discarded() {
    let faults = Faults {
        free: |mutant, ptr, layout| unsafe {
            mutant.note = None;
            mutant.heap.free(ptr, layout);
        },
        malloc: |mutant, layout| {
            let ptr = unsafe { mutant.heap.malloc(layout) }?;
            mutant.note = Some((ptr, layout));
            Ok(ptr)
        },
        discard: |mutant, _, _, discard| {
            if let Some((ptr, layout)) = mutant.note {
                discard(Span::from_ptr_size(ptr.as_ptr(), layout.size()));
            }
            0
        },
        ..HONEST
    };
    let ops = [malloc(64, 8), Op::Discard { unit: 8, least: 64, zeroed: false }];
    expect(faults, &ops, "was overwritten at its byte");
}

#[test]
fn a_piece_that_is_too_small() {
    let faults = Faults {
        discard: |mutant, unit, least, discard| unsafe {
            mutant.heap.arenas_mut().discard(unit, least / 2, discard)
        },
        ..HONEST
    };
    let mut ops = DISCARD;
    ops[5] = Op::Discard { unit: 8, least: 4096, zeroed: true };
    expect(faults, &ops, "not 4096 bytes");
}

#[test]
fn a_free_chunk_is_lost() {
    let faults = Faults {
        discard: |mutant, _, _, _| {
            let layout = Layout::new::<u64>();
            unsafe { mutant.heap.malloc(layout) }.map_or(0, |_| 0)
        },
        ..HONEST
    };
    expect(faults, &DISCARD, "the live blocks take");
}

#[test]
fn more_left_than_there_is() {
    let faults = Faults { discard: |_, _, _, _| usize::MAX, ..HONEST };
    expect(faults, &DISCARD, "are left");
}
