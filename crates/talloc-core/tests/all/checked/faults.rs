//! Random programs with injected faults. Each fault is reported as what it is, and nothing changes.

use std::alloc::Layout;

use fastrand::Rng;
use talloc_core::{Compact, Config, Fault, Micro, Misuse, RealTime};

use crate::checked::program::{Block, Program};
use crate::checked::{found, pointer};
use crate::common::layout;

/// The number of faults of each kind for each heap, at least 10,000 in total.
const FAULTS: usize = if cfg!(miri) { 10 } else { 2500 };

/// A fault: what is passed, and what must be reported.
struct Injected {
    addr: usize,
    layout: Layout,
    is_reported: fn(&Misuse, &Expected) -> bool,
    expected: Expected,
}

/// The facts that the heap should know.
struct Expected {
    /// The address and the size of the affected block, if there is one.
    block: (usize, usize),
}

/// The size of a block's chunk.
fn rounded<C: Config>(size: usize) -> usize {
    size.max(4 * size_of::<C::Index>()).next_multiple_of(8)
}

fn injected<C: Config>(
    block: Block,
    addr: usize,
    layout: Layout,
    is_reported: fn(&Misuse, &Expected) -> bool,
) -> Injected {
    let block = (block.ptr.addr().get(), rounded::<C>(block.layout.size()));
    Injected { addr, layout, is_reported, expected: Expected { block } }
}

/// Returns a random block of the program.
fn any<C: Config>(program: &mut Program<C>) -> Option<Block> {
    program.rng.choice(&program.blocks).copied()
}

/// A pointer outside all arenas, at times just beyond an end.
fn foreign<C: Config>(program: &mut Program<C>) -> Option<Injected> {
    let arena = *program.rng.choice(&program.arenas)?;
    let (base, acme) = arena.get_base_acme()?;
    let addr = match program.rng.usize(..4) {
        0 => acme,
        1 => base - 8,
        2 => acme + program.rng.usize(..8 << 10),
        _ => program.rng.usize(1..usize::MAX / 8) * 8,
    };
    if program.arenas.iter().any(|arena| arena.contains(addr)) {
        return None;
    }
    let block = any(program)?;
    Some(injected::<C>(block, addr, block.layout, |found, _| found.fault == Fault::Foreign))
}

/// A pointer into a block, but not to its start.
fn within<C: Config>(program: &mut Program<C>) -> Option<Injected> {
    let block = any(program)?;
    let offset = program.rng.usize(1..rounded::<C>(block.layout.size()));
    let addr = block.ptr.addr().get() + offset;
    // At times, the layout is that of the rest of the block.
    let rest = layout(rounded::<C>(block.layout.size()) - offset, 1);
    let layout = if program.rng.bool() { rest } else { block.layout };
    Some(injected::<C>(block, addr, layout, |found, expected| match found.fault {
        Fault::NotABlock { block } => {
            block.get_base_acme().is_some_and(|(base, acme)| (base, acme - base) == expected.block)
        }
        _ => false,
    }))
}

/// A freed block whose memory has not been reused.
fn freed<C: Config>(program: &mut Program<C>) -> Option<Injected> {
    let (addr, layout) = *program.rng.choice(&program.freed)?;
    let is_used = program.blocks.iter().any(|block| {
        let base = block.ptr.addr().get();
        (base..base + rounded::<C>(block.layout.size())).contains(&addr)
    });
    if is_used {
        return None;
    }
    let block = any(program)?;
    let mut injected = injected::<C>(block, addr, layout, |found, expected| match found.fault {
        Fault::AlreadyFree { chunk } => chunk.contains(expected.block.0),
        _ => false,
    });
    injected.expected.block.0 = addr;
    Some(injected)
}

/// A block with a wrong size.
fn wrong_size<C: Config>(program: &mut Program<C>) -> Option<Injected> {
    let block = any(program)?;
    let size = match program.rng.usize(..4) {
        // At times, the size of the block and of a neighbour together.
        0 => rounded::<C>(block.layout.size()) + rounded::<C>(any(program)?.layout.size()),
        1 => rounded::<C>(block.layout.size()) + 8,
        2 => block.layout.size().saturating_sub(8).max(1),
        _ => 1 + program.rng.usize(..3000),
    };
    if rounded::<C>(size) == rounded::<C>(block.layout.size()) {
        return None;
    }
    let layout = layout(size, block.layout.align());
    Some(injected::<C>(block, block.ptr.addr().get(), layout, |found, expected| {
        match found.fault {
            Fault::WrongSize { block } => block.size() == expected.block.1,
            _ => false,
        }
    }))
}

/// A block with an alignment that it does not have.
fn wrong_align<C: Config>(program: &mut Program<C>) -> Option<Injected> {
    let block = any(program)?;
    let addr = block.ptr.addr().get();
    let align = 2 << (addr.trailing_zeros() + program.rng.u32(..3));
    let layout = layout(block.layout.size(), align);
    Some(injected::<C>(block, addr, layout, |found, expected| match found.fault {
        Fault::WrongAlign { block } => block.base() == Some(expected.block.0),
        _ => false,
    }))
}

/// A pointer into the arena's own memory.
fn own<C: Config>(program: &mut Program<C>) -> Option<Injected> {
    let arena = *program.rng.choice(&program.arenas)?;
    let block = any(program)?;
    // The bitmap of an arena of 32 KiB is larger than this.
    let addr = arena.base()? + program.rng.usize(..100) * 8;
    Some(injected::<C>(block, addr, block.layout, |found, _| {
        matches!(found.fault, Fault::Own { .. })
    }))
}

/// Makes a wrong call. It must be reported and change nothing.
fn inject<C: Config>(program: &mut Program<C>, injected: &Injected) {
    let before = program.heap.verify().unwrap();
    let (ptr, layout) = (pointer(injected.addr), injected.layout);
    let heap = &mut program.heap;
    let more = layout.size() + program.rng.usize(..100);
    let less = program.rng.usize(..=layout.size());
    // SAFETY: This is misuse, which the heap detects before it changes anything.
    unsafe {
        match program.rng.usize(..5) {
            0 | 1 => heap.free(ptr, layout),
            2 => assert!(heap.grow(ptr, layout, more).is_err()),
            3 => assert!(heap.grow_in_place(ptr, layout, more).is_err()),
            _ => heap.shrink(ptr, layout, less),
        }
    }
    let found = found();
    assert!(
        matches!(found[..], [found] if (injected.is_reported)(&found, &injected.expected)
            && (found.addr, found.layout) == (injected.addr, layout)),
        "{found:?}"
    );
    assert_eq!(
        heap.inspect().check(ptr, layout).map_err(|misuse| misuse.fault),
        Err(found[0].fault)
    );
    assert_eq!(heap.verify().unwrap(), before);
}

/// Injects faults of one kind.
fn faults_are_reported<C: Config>(arenas: usize, fault: fn(&mut Program<C>) -> Option<Injected>) {
    let mut program = Program::<C>::new(arenas, Rng::with_seed(2).u64(..));
    let mut count = 0;
    while count < FAULTS {
        program.step();
        if let Some(injected) = fault(&mut program) {
            inject(&mut program, &injected);
            count += 1;
        }
    }
    program.finish();
    assert_eq!(found(), []);
}

macro_rules! faults {
    ($($name:ident: $fault:ident;)*) => {$(
        #[test]
        fn $name() {
            faults_are_reported::<Compact>(1, $fault);
            faults_are_reported::<Compact>(3, $fault);
            faults_are_reported::<RealTime>(1, $fault);
            faults_are_reported::<Micro>(2, $fault);
        }
    )*};
}

faults! {
    foreign_pointers_are_reported: foreign;
    pointers_into_blocks_are_reported: within;
    freed_blocks_are_reported: freed;
    wrong_sizes_are_reported: wrong_size;
    wrong_alignments_are_reported: wrong_align;
    pointers_to_the_bitmap_are_reported: own;
}
