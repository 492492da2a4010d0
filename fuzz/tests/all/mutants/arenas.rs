//! Faults of operations on arenas.

use std::alloc::Layout;

use talloc_core::{ArenaError, Memory, Span};
use talloc_fuzz::ops::{Cut, Pick, Wrong};
use talloc_fuzz::{Op, Pool};

use crate::mutants::{FIRST, Faults, HONEST, LAST, expect, malloc};

/// Returns an operation that passes a wrong span.
const fn refused(wrong: Wrong) -> Op {
    Op::Refused { wrong, pick: FIRST, size: 16 }
}

/// Truncates the first arena from above.
const TRUNCATE: Op = Op::Truncate { cut: Cut::By { low: 0, high: 64 } };

#[test]
fn an_extension_that_loses_bytes() {
    let faults = Faults {
        extend: |mutant, _, arena| {
            let less = arena.truncate(0, 1).fit_over(mutant.heap.get_arena());
            unsafe { mutant.heap.arenas_mut().try_extend(less) }
        },
        ..HONEST
    };
    expect(faults, &[Op::Extend { low: 0, high: 5 }], "the arenas are [");
}

#[test]
fn an_extension_refused_for_no_reason() {
    let faults = Faults {
        extend: |mutant, _, arena| {
            if arena.size() < mutant.heap.get_arena().size() + 16 {
                return Err(ArenaError::TooSmall);
            }
            unsafe { mutant.heap.arenas_mut().try_extend(arena) }
        },
        ..HONEST
    };
    expect(faults, &[Op::Extend { low: 0, high: 5 }], "refused a good span");
}

#[test]
fn an_extension_that_writes_above_the_arena() {
    let faults = Faults {
        extend: |mutant, _, arena| unsafe {
            // The pool has bytes above every arena.
            let end = arena.to_ptr_range().ok_or(ArenaError::TooSmall)?.end;
            end.write(!end.read());
            mutant.heap.arenas_mut().try_extend(arena)
        },
        ..HONEST
    };
    expect(faults, &[Op::Extend { low: 9, high: 5 }], "wrote outside of the arenas");
}

#[test]
fn a_truncation_that_writes_far_below_the_arena() {
    let faults = Faults {
        truncate: |mutant, _, arena| {
            if let Some(base) = mutant.heap.get_arena().get_base_ptr() {
                // The pool is aligned to this, and starts with bytes outside of any arena.
                let below = base.map_addr(|addr| addr & !(Pool::ALIGN - 1));
                unsafe { below.write(!below.read()) };
            }
            mutant.heap.arenas_mut().try_truncate(arena)
        },
        ..HONEST
    };
    expect(faults, &[TRUNCATE], "wrote outside of the arenas, at pool[0x0]");
}

#[test]
fn a_truncation_refused_for_no_reason() {
    let faults = Faults { truncate: |_, _, _| Err(ArenaError::InUse), ..HONEST };
    expect(faults, &[malloc(64, 8), TRUNCATE], "which contains the allocated span");
}

#[test]
fn an_allocated_span_that_lacks_a_block() {
    let faults = Faults {
        allocated_span_of: |mutant, arena| {
            let span = mutant.heap.arena(arena).map(|mut arena| arena.allocated_span())?;
            Ok(span.truncate(span.size() / 2, 0))
        },
        ..HONEST
    };
    let tighten = Op::Truncate { cut: Cut::Tight { low: 0, high: 0 } };
    expect(faults, &[malloc(64, 8), malloc(64, 8), tighten], "the blocks lie in");
}

#[test]
fn a_null_arena_accepted() {
    let faults = Faults {
        claim: |mutant, _, arena| {
            if arena.contains(0) { Ok(()) } else { unsafe { mutant.heap.claim(arena) } }
        },
        ..HONEST
    };
    expect(faults, &[refused(Wrong::ClaimNull)], "accepted 0x0..0x10");
}

#[test]
fn a_part_of_an_arena_claimed() {
    let faults = Faults {
        claim: |mutant, _, arena| {
            if mutant.heap.arenas().any(|other| other.contains_span(arena)) {
                return Ok(());
            }
            unsafe { mutant.heap.claim(arena) }
        },
        ..HONEST
    };
    expect(faults, &[refused(Wrong::ClaimPart)], "accepted");
}

#[test]
fn a_claim_that_gives_nothing() {
    let faults = Faults { claim: |_, _, _| Ok(()), ..HONEST };
    let ops = [Op::Claim { gap: FIRST, at: Pick(128), size: 8192, memory: Memory::empty() }];
    expect(faults, &ops, "the arenas are [");
}

#[test]
fn a_used_arena_released() {
    let faults = Faults {
        release: |mutant, arena, _| {
            if arena == mutant.heap.get_arena() {
                return unsafe { mutant.heap.arenas_mut().try_init(Span::empty()) };
            }
            mutant.heap.arena(arena).and_then(|arena| arena.release())
        },
        ..HONEST
    };
    expect(faults, &[malloc(24, 8), Op::Release { pick: FIRST }], "accepted");
}

#[test]
fn an_arena_that_is_not_extended() {
    let faults = Faults { extend_arena: |_, _, _| Ok(()), ..HONEST };
    let ops = [Op::ExtendArena { pick: FIRST, low: 3, high: 0, memory: Memory::ZEROED }];
    expect(faults, &ops, "the arenas are [");
}

/// Claims an arena directly above the first one, and merges the two.
const MERGE: [Op; 2] = [
    Op::Claim { gap: LAST, at: FIRST, size: 32768, memory: Memory::empty() },
    Op::Merge { pick: FIRST, extend: false },
];

#[test]
fn a_merge_that_loses_a_free_chunk() {
    let faults = Faults {
        merge: |mutant, lower, upper| unsafe {
            mutant.heap.arena(lower).and_then(|mut arena| arena.merge(upper))?;
            // This block is lost, because nothing ever frees it.
            mutant.heap.malloc(Layout::new::<u64>()).map(drop).map_err(|_| ArenaError::InUse)
        },
        ..HONEST
    };
    expect(faults, &MERGE, "the live blocks take 0 bytes");
}

#[test]
fn a_merge_that_forgets_an_arena() {
    let faults = Faults {
        merge: |mutant, lower, upper| {
            if lower.acme() != upper.base() {
                return Err(ArenaError::NotAdjacent);
            }
            mutant.heap.arena(upper).and_then(|arena| arena.release())
        },
        ..HONEST
    };
    expect(faults, &MERGE, "the arenas are [");
}

#[test]
fn a_merge_that_does_nothing() {
    let faults = Faults { merge: |_, _, _| Ok(()), ..HONEST };
    expect(faults, &MERGE, "the arenas are [");
}

#[test]
fn a_merge_refused_for_no_reason() {
    let faults = Faults { merge: |_, _, _| Err(ArenaError::InUse), ..HONEST };
    expect(faults, &MERGE, "refused to merge");
}

#[test]
fn a_merge_across_a_gap() {
    let faults = Faults {
        merge: |mutant, lower, upper| {
            // The heap does not own the memory between the arenas.
            mutant.heap.arena(upper).and_then(|arena| arena.release())?;
            unsafe {
                mutant
                    .heap
                    .arena(lower)
                    .and_then(|mut arena| arena.extend(lower.fit_over(upper), Memory::empty()))
            }
        },
        ..HONEST
    };
    let apart = Op::Claim { gap: LAST, at: Pick(128), size: 8192, memory: Memory::empty() };
    expect(faults, &[apart, MERGE[1]], "which do not touch");
}

#[test]
fn a_merge_downwards_accepted() {
    let faults = Faults {
        merge: |mutant, lower, upper| {
            if lower == upper {
                return Ok(());
            }
            unsafe { mutant.heap.arena(lower).and_then(|mut arena| arena.merge(upper)) }
        },
        ..HONEST
    };
    expect(faults, &[refused(Wrong::MergeDown)], "accepted");
}

#[test]
fn a_refusal_for_another_reason() {
    let faults = Faults {
        merge: |mutant, lower, upper| {
            let result =
                unsafe { mutant.heap.arena(lower).and_then(|mut arena| arena.merge(upper)) };
            result.map_err(|_| ArenaError::TooSmall)
        },
        ..HONEST
    };
    expect(faults, &[refused(Wrong::MergeNoArena)], "not for any of [NoSuchArena]");
}
