//! Random programs that change arenas and write below blocks.

use std::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{
    Compact, Config, Fault, Hardened, KnowsBlocks, Memory, Micro, OwnedTalloc, RealTime, Span,
    Violation,
};

use super::{CANARY, invert, own_chunks};
use crate::common::found::Note;
use crate::common::{layout, memory, part};
use crate::hardened::{All, Even, Standard, Tails, faults, free, heap_of};

/// Changes an arena of the heap at random, if possible.
fn reshape<C: Config>(heap: &mut OwnedTalloc<C>, memory: Span, rng: &mut Rng) {
    let mut arenas: Vec<Span> = heap.arenas().filter(|arena| arena.is_sized()).collect();
    arenas.sort_by_key(|arena| arena.base());
    let index = rng.usize(..arenas.len());
    let arena = arenas[index];
    let low = if index == 0 { memory.base() } else { arenas[index - 1].acme() };
    let high = arenas.get(index + 1).map_or(memory.acme(), |above| above.base());
    let room = memory.above(low.unwrap()).below(high.unwrap());
    let by = [(); 2].map(|()| rng.usize(..1500));
    // SAFETY: The memory is leaked, nothing else uses it, and its pointer is valid for all arenas.
    let _ = unsafe {
        match rng.usize(..6) {
            0 => {
                let new = arena.extend(by[0], by[1]).fit_within(room);
                heap.arena(arena).and_then(|mut arena| arena.extend(new, Memory::empty()))
            }
            1 => {
                let new = arena.truncate(by[0].min(arena.size()), 0);
                let new = new.truncate(0, by[1].min(new.size()));
                heap.arena(arena).and_then(|mut arena| arena.truncate(new))
            }
            2 if by[0] <= high.unwrap() - arena.acme().unwrap() => {
                heap.arena(arena).and_then(|mut arena| arena.raise(by[0], Memory::empty()))
            }
            3 => heap.claim(room.above(arena.acme().unwrap())),
            4 => heap.arena(arena).and_then(|mut lower| match arenas.get(index + 1) {
                Some(upper) => lower.merge(*upper),
                None => Ok(()),
            }),
            _ if arenas.len() > 1 => heap.arena(arena).and_then(|arena| arena.release()),
            _ => Ok(()),
        }
    };
}

/// A random program that changes arenas, allocates and frees blocks, and sometimes writes below one.
fn script<C: Config<Checks: KnowsBlocks>>(seed: u64) -> usize {
    let mut rng = Rng::with_seed(seed);
    let memory = memory(1 << 15);
    let first = part(memory, 8 * rng.usize(..1024), 1 << 12);
    let mut heap = heap_of::<C>(&[first]);
    let mut blocks: Vec<(NonNull<u8>, usize)> = Vec::new();
    let mut underflows = 0;
    for _ in 0..300 {
        match rng.usize(..8) {
            0 => reshape(&mut heap, memory, &mut rng),
            1..=4 => {
                let size = rng.usize(1..200);
                // SAFETY: `malloc` has no preconditions.
                if let Ok(block) = unsafe { heap.malloc(layout(size, 8)) } {
                    blocks.push((block, size));
                }
            }
            _ if !blocks.is_empty() => {
                let (block, size) = blocks.swap_remove(rng.usize(..blocks.len()));
                free(&mut heap, block, size);
            }
            _ => heap.flush(),
        }
        assert_eq!((heap.verify().err(), faults()), (None, vec![]), "seed {seed}");
        for own in own_chunks(&heap) {
            let number = rng.usize(1..=CANARY);
            invert(own, number);
            let found = heap.verify();
            assert!(matches!(found, Err(Violation::OwnCanary { .. })), "seed {seed}: {found:?}");
            let above = |(block, _): &(NonNull<u8>, _)| Some(block.addr().get()) == own.acme();
            match blocks.iter().position(above).filter(|_| rng.u8(..4) == 0) {
                Some(index) => {
                    let (block, size) = blocks.swap_remove(index);
                    free(&mut heap, block, size);
                    assert!(matches!(faults()[..], [Fault::Underflow { .. }]), "seed {seed}");
                    underflows += 1;
                }
                None => invert(own, number),
            }
            assert_eq!(heap.verify().err(), None, "seed {seed}");
        }
    }
    underflows
}

#[test]
fn random_changes_of_arenas_keep_the_canaries() {
    let seeds = if cfg!(miri) { 2 } else { 40 };
    let scripts = [
        script::<Hardened<Compact, Standard, Note>>,
        script::<Hardened<Compact, All, Note>>,
        script::<Hardened<RealTime, Tails, Note>>,
        script::<Hardened<RealTime, Even, Note>>,
        script::<Hardened<Micro, Standard, Note>>,
    ];
    for script in scripts {
        let underflows: usize = (0..seeds).map(script).sum();
        assert!(underflows as u64 > seeds / 2, "{underflows} blocks were adjacent to a canary");
    }
}
