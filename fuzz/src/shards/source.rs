//! The source of a logical thread's heap: slices of the program's addresses.

use std::alloc::Layout;

use talloc_core::{Align, AllocError, Decay, Memory, Pace, Source, Span, Talloc};
use talloc_sync::threads::{FRESH_MEMORY, Threaded};

use super::program::{PAGE, Program};

const PACE: Pace = Pace { epoch: 100, unit: Align::new(PAGE).unwrap(), min_piece: PAGE };

/// The heap of a logical thread.
type Heap = Talloc<Threaded<Program>, Slices>;

/// A source of slices of the current program.
pub struct Slices {
    pub number: u8,
    /// The arena that grows, and the slices in which it grows.
    arena: Span,
    range: Span,
    decay: Decay,
}

impl Slices {
    pub const NEW: Self =
        Self { number: 0, arena: Span::empty(), range: Span::empty(), decay: Decay::NEW };
}

impl Source<Threaded<Program>> for Slices {
    const RECLAIMS: bool = true;
    const IS_AMPLE: bool = true;

    fn acquire(heap: &mut Heap, layout: Layout) -> Result<(), AllocError> {
        if raise(heap, layout).is_ok() {
            return Ok(());
        }
        let program = Program::current();
        let bytes = Heap::room_for(layout).max(PAGE);
        let range = program.take(heap.source().number, bytes + bytes / 32).ok_or(AllocError)?;
        // SAFETY: The slices belong to this heap, and committed memory is zero.
        let claimed = unsafe {
            heap.arenas_mut().claim_part(range, bytes, FRESH_MEMORY, |piece| program.commit(piece))
        };
        match claimed {
            Ok(arena) => {
                let source = heap.source_mut();
                (source.arena, source.range) = (arena, range);
                Ok(())
            }
            Err(_) => {
                program.give_back(range);
                Err(AllocError)
            }
        }
    }

    fn tend(heap: &mut Heap) {
        let program = Program::current();
        let mut decay = heap.source().decay.clone();
        // SAFETY: `purge` keeps the pieces committed, and clears them if it reports zeros.
        unsafe { decay.tend(heap, &PACE, program.now(), |piece| program.purge(piece)) };
        heap.source_mut().decay = decay;
    }

    fn release(heap: &mut Heap) {
        let program = Program::current();
        let growing = heap.source().arena;
        while let Some(arena) = heap.arenas_mut().reclaim_arena(growing) {
            program.give_back(program.slices_around(arena));
        }
        let mut given = 0;
        let purge = |piece: Span| {
            given += piece.size();
            program.purge(piece)
        };
        // SAFETY: `purge` keeps the pieces committed, and clears them if it reports zeros.
        unsafe { heap.arenas_mut().discard(PACE.unit, PACE.min_piece, purge) };
        let (used, touched) = (
            heap.inspect().used_bytes() + heap.inspect().cached_bytes(),
            heap.inspect().touched_bytes(),
        );
        heap.source_mut().decay.note_trim(used, touched, given);
    }
}

/// Raises the arena that grows by what a request needs.
fn raise(heap: &mut Heap, layout: Layout) -> Result<(), AllocError> {
    let program = Program::current();
    let (arena, range) = (heap.source().arena, heap.source().range);
    let mut arena = heap.arena(arena).map_err(|_| AllocError)?;
    let lacking = arena.lacking_for(layout);
    let rest = range.acme().zip(arena.span().acme()).map_or(0, |(end, acme)| end - acme);
    if lacking > rest {
        return Err(AllocError);
    }
    let more = lacking.max(PAGE).min(rest);
    // SAFETY: Nothing else uses the rest of the arena's slices, and committed memory is zero.
    unsafe { arena.raise_part(range, more, |piece| program.commit(piece)) }
        .map_err(|_| AllocError)?;
    let span = arena.span();
    heap.source_mut().arena = span;
    Ok(())
}

/// Returns the properties of purged memory.
pub fn known(gives_zeros: bool) -> Memory {
    if gives_zeros { Memory::ZEROED } else { Memory::empty() }
}
