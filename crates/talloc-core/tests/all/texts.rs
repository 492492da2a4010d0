//! The texts of errors, violations, reports and heaps.

use std::collections::BTreeSet;

use crate::common::{layout, memory, part};
use talloc_core::{
    AllocError, ArenaError, Micro, OomHandler, OwnedTalloc, Report, Source, Span, Talloc,
    Violation, alloc_error,
};

/// Checks that all texts are long enough, and that they differ.
fn check<T: std::error::Error>(all: &[T]) {
    let texts: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), all.len(), "{texts:?}");
    assert!(texts.iter().all(|text| text.len() > 10), "{texts:?}");
}

#[test]
fn errors_say_what_is_wrong() {
    check(&[AllocError]);
    check(&[
        ArenaError::Null,
        ArenaError::TooSmall,
        ArenaError::TooFar,
        ArenaError::Overlap,
        ArenaError::NoSuchArena,
        ArenaError::NotExtended,
        ArenaError::NotTruncated,
        ArenaError::NotAdjacent,
        ArenaError::InUse,
    ]);
}

#[test]
fn violations_say_where() {
    let (addr, arena) = (0x1_2340, Span::new(0x1_2340, 0x2_0000));
    let violations = [
        Violation::Bounds { arena },
        Violation::Size { addr },
        Violation::SizesDiffer { addr },
        Violation::MarkMissing { addr },
        Violation::MarkStray { addr },
        Violation::NotCoalesced { addr },
        Violation::BackLink { addr },
        Violation::NotInBin { addr },
        Violation::BinCount { arena },
        Violation::Own { arena },
        Violation::OwnCanary { addr },
        Violation::BlockMark { addr },
        Violation::CachedBlock { addr },
        Violation::ArenasOverlap { arena },
        Violation::NotZero { addr },
    ];
    check(&violations);
    assert!(violations.iter().all(|violation| violation.to_string().contains("0x12340")));
    check(&[
        Violation::Map { bin: 7 },
        Violation::CachedCount,
        Violation::Slab { addr },
        Violation::SlabLists,
        Violation::UsedCount,
        Violation::NotAnArena,
        Violation::Index,
    ]);
    assert!(Violation::Map { bin: 7 }.to_string().contains('7'));
}

#[test]
fn a_report_is_a_line() {
    let mut report = Report::default();
    (report.arenas, report.arena_bytes, report.used_bytes) = (2, 4096, 1000);
    (report.free_bytes, report.free_chunks, report.largest_free_bytes) = (3000, 7, 2000);
    (report.cached_bytes, report.overhead_bytes, report.high_water_bytes) = (64, 96, 1500);
    let free = "free: 3000, the largest of 7 chunks 2000, cached 64";
    let rest = "overhead: 96; most in use so far: 1500";
    assert_eq!(report.to_string(), format!("arenas: 2, of 4096 bytes; used: 1000; {free}; {rest}"));
    (report.used_blocks, report.mapped_blocks, report.mapped_bytes) = (Some(9), 1, 5000);
    let used = "used: 1000 in 9 blocks";
    let apart = "kept apart: 5000 in 1 blocks";
    assert_eq!(
        report.to_string(),
        format!("arenas: 2, of 4096 bytes; {used}; {free}; {rest}; {apart}")
    );
}

#[test]
fn a_heap_shows_its_arenas() {
    let mut heap = OwnedTalloc::<Micro>::default();
    assert_eq!(format!("{heap:?}"), "Talloc { arenas: [], .. }");
    let memory = memory(20_000);
    let spans = [part(memory, 0, 8_000), part(memory, 9_000, 8_000)];
    for span in spans {
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.claim(span) }.unwrap();
    }
    assert_eq!(format!("{heap:?}"), format!("Talloc {{ arenas: {spans:?}, .. }}"));
}

#[test]
#[cfg(feature = "spin")]
fn a_heap_behind_a_lock_shows_its_arenas_as_well() {
    let heap = Talloc::new().spin_lock();
    let text = format!("{heap:?}");
    assert!(text.starts_with("Tallock(") && text.contains("arenas: []"), "{text}");
}

#[test]
fn a_function_is_copied_as_a_source() {
    let source = OomHandler::<Micro>::new(alloc_error);
    let mut heap = Talloc::with_source(Clone::clone(&source));
    assert_eq!(Source::acquire(&mut heap, layout(8, 8)), Err(AllocError));
}
