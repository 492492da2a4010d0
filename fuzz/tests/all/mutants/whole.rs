//! Faults that are visible only in the heap as a whole.

use std::alloc::Layout;

use talloc_core::{RealTime, Source, Violation};
use talloc_fuzz::Op;
use talloc_fuzz::supply::{Kind, Supply};

use crate::mutants::{Faults, HONEST, Mutant, expect, expect_by, malloc, script};

#[test]
fn a_heap_that_cannot_be_moved() {
    let faults = Faults { moved: |_| Mutant::new(HONEST), ..HONEST };
    expect(faults, &[Op::Move], "the arenas are [], not [");
}

#[test]
fn quick_lists_that_are_not_flushed() {
    let faults = Faults {
        verify: |mutant| {
            let mut report = mutant.heap.verify()?;
            report.cached_bytes = report.free_bytes.min(8);
            Ok(report)
        },
        statistics: |mutant| {
            let mut statistics = mutant.heap.inspect().statistics();
            statistics.cached_bytes = statistics.free_bytes.min(8);
            statistics.peak_bytes += 8;
            statistics
        },
        ..HONEST
    };
    expect(faults, &[Op::Flush], "blocks stayed in the quick lists");
}

#[test]
fn free_memory_in_two_pieces() {
    // The first block is followed by another one that is never freed but reported as free.
    let faults = Faults {
        malloc: |mutant, layout| unsafe {
            let ptr = mutant.heap.malloc(layout)?;
            if mutant.note.is_none() {
                let layout = Layout::new::<[u64; 2]>();
                mutant.note = mutant.heap.malloc(layout).ok().map(|ptr| (ptr, layout));
            }
            Ok(ptr)
        },
        verify: |mutant| {
            let mut report = mutant.heap.verify()?;
            let kept = mutant.note.map_or(0, |(_, layout)| layout.size());
            report.used_bytes = report.used_bytes.saturating_sub(kept);
            report.free_bytes += kept;
            Ok(report)
        },
        statistics: |mutant| {
            let mut statistics = mutant.heap.inspect().statistics();
            let kept = mutant.note.map_or(0, |(_, layout)| layout.size());
            statistics.used_bytes = statistics.used_bytes.saturating_sub(kept);
            statistics.free_bytes += kept;
            statistics
        },
        ..HONEST
    };
    expect(faults, &[malloc(64, 8)], "1 arenas are 2 free chunks");
}

#[test]
fn a_count_that_is_wrong() {
    let faults = Faults {
        statistics: |mutant| {
            let mut statistics = mutant.heap.inspect().statistics();
            statistics.used_bytes /= 2;
            statistics
        },
        ..HONEST
    };
    expect(faults, &[malloc(64, 8)], "used: 32 are counted, and 64 are there");
}

#[test]
fn a_violation() {
    let faults = Faults {
        free: |mutant, ptr, layout| {
            unsafe { mutant.heap.free(ptr, layout) };
            mutant.note = Some((ptr, layout));
        },
        verify: |mutant| match mutant.note {
            None => mutant.heap.verify(),
            Some((ptr, _)) => Err(Violation::MarkStray { addr: ptr.addr().get() }),
        },
        ..HONEST
    };
    expect(faults, &[malloc(64, 8)], "verify: ");
}

#[test]
fn a_report_that_does_not_add_up() {
    let faults = Faults {
        verify: |mutant| {
            let mut report = mutant.heap.verify()?;
            report.overhead_bytes += 8;
            Ok(report)
        },
        ..HONEST
    };
    expect(faults, &[], "do not add up to 4096 bytes");
}

#[test]
fn a_panic() {
    let faults = Faults { free: |_, _, _| panic!("this heap never frees"), ..HONEST };
    expect(faults, &[malloc(64, 8)], "panicked: this heap never frees");
}

#[test]
fn a_source_that_is_believed() {
    let faults = Faults {
        malloc: |mutant, layout| loop {
            if let Ok(ptr) = unsafe { mutant.heap.malloc(layout) } {
                return Ok(ptr);
            }
            <Supply as Source<RealTime>>::acquire(&mut mutant.heap, layout)?;
        },
        ..HONEST
    };
    expect_by(
        faults,
        &script(Kind::Lie, &[malloc(10_000, 8)]),
        "the heap calls its source forever",
    );
}
