//! The values to print.

use core::alloc::Layout;
use core::fmt::Display;

use defmt::{Display2Format, Format};
use talloc_global::custom::Align;
use talloc_global::inspect::{Chunk, ChunkKind, Report, Violation};
use talloc_global::misuse::{Call, Fault, Misuse};
use talloc_global::{AllocError, ArenaError, Span};

const ADDR: usize = 0x2000_1238;
const SPAN: Span = Span::new(0x2000_1000, 0x2000_3000);

pub fn print_all() {
    print(&[SPAN, Span::empty()]);
    print(&[Align::new(64).expect("it is a power of two")]);
    print(&[AllocError]);
    print(&[
        ArenaError::Null,
        ArenaError::TooSmall,
        ArenaError::TooFar,
        ArenaError::Overlap,
        ArenaError::SecondArena,
        ArenaError::NoSuchArena,
        ArenaError::NotExtended,
        ArenaError::NotTruncated,
        ArenaError::NotAdjacent,
        ArenaError::InUse,
    ]);
    print(&violations());
    print(&calls());
    print(&misuses());
    print(&chunks());
    print(&reports());
    defmt::println!("passed");
}

/// Prints each value by defmt, and by `core::fmt`.
fn print<T: Display + Format>(values: &[T]) {
    for value in values {
        defmt::println!("{} | {}", value, Display2Format(value));
    }
}

fn violations() -> [Violation; 22] {
    let (addr, arena) = (ADDR, SPAN);
    [
        Violation::Bounds { arena },
        Violation::Size { addr },
        Violation::SizesDiffer { addr },
        Violation::MarkMissing { addr },
        Violation::MarkStray { addr },
        Violation::NotCoalesced { addr },
        Violation::BackLink { addr },
        Violation::NotInBin { addr },
        Violation::BinCount { arena },
        Violation::Map { bin: 17 },
        Violation::Own { arena },
        Violation::OwnCanary { addr },
        Violation::CachedBlock { addr },
        Violation::CachedCount,
        Violation::UsedCount,
        Violation::BlockMark { addr },
        Violation::ArenasOverlap { arena },
        Violation::NotAnArena,
        Violation::NotZero { addr },
        Violation::Slab { addr },
        Violation::SlabLists,
        Violation::Index,
    ]
}

fn calls() -> [Call; 4] {
    [Call::Free, Call::Grow { new_size: 48 }, Call::Shrink { new_size: 16 }, Call::Check]
}

fn misuses() -> [Misuse; 8] {
    let (chunk, block) = (SPAN, SPAN);
    let faults = [
        Fault::Foreign,
        Fault::Own { chunk },
        Fault::NotABlock { block },
        Fault::AlreadyFree { chunk },
        Fault::WrongSize { block },
        Fault::WrongAlign { block },
        Fault::WrongNewSize,
        Fault::Broken,
    ];
    let mut calls = calls().into_iter().cycle();
    faults.map(|fault| {
        let call = calls.next().expect("the calls repeat");
        Misuse { call, addr: ADDR, layout: Layout::new::<[u64; 5]>(), fault }
    })
}

fn chunks() -> [Chunk; 6] {
    let kinds = [
        ChunkKind::Used,
        ChunkKind::Cached,
        ChunkKind::Free,
        ChunkKind::Top,
        ChunkKind::Own,
        ChunkKind::Blocks,
    ];
    kinds.map(|kind| Chunk { kind, span: SPAN })
}

fn reports() -> [Report; 3] {
    let mut report = Report::default();
    (report.arenas, report.arena_bytes, report.used_bytes) = (2, 4096, 1000);
    (report.free_bytes, report.free_chunks, report.largest_free_bytes) = (3000, 7, 2000);
    (report.cached_bytes, report.overhead_bytes, report.high_water_bytes) = (64, 96, 1500);
    let mut counted = report;
    counted.used_blocks = Some(9);
    let mut mapped = report;
    (mapped.mapped_blocks, mapped.mapped_bytes) = (1, 5000);
    [report, counted, mapped]
}
