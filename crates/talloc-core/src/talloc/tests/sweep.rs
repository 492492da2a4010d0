//! Sweeps that purge free memory while arenas are claimed and released.

use core::alloc::Layout;
use std::vec;

use talloc_span::{Align, Span};

use super::Talloc;
use crate::arena::{Cursor, Step};
use crate::config::Compact;
use crate::kind::{Kind, Kinds};
use crate::memory::Memory;

const UNIT: usize = 4096;

/// The size of each arena in bytes.
const ARENA: usize = 256 << 10;

/// The sizes of an arena's free chunks in units.
const CHUNKS: [usize; 3] = [12, 8, 4];

/// Purges up to `pieces` pieces from the cursor on. Returns how many of the bytes are `within` a span.
fn sweep(heap: &mut Talloc<Compact>, cursor: &mut Cursor, pieces: usize, within: Span) -> usize {
    let unit = Align::new(UNIT).unwrap();
    let mut step = Step { min: UNIT, unit, bytes: usize::MAX, pieces, of_tops: 0, of_chunks: 0 };
    let mut bytes = 0;
    let mut purge = |piece: Span| {
        if within.contains_span(piece) {
            bytes += piece.size();
        }
        Memory::empty()
    };
    // SAFETY: The purged memory stays as it is.
    unsafe { heap.purge(cursor, &mut step, &mut purge) };
    bytes
}

#[test]
fn a_sweep_begins_anew_where_its_arena_has_gone() {
    let mut memory = vec![0_u64; 3 * ARENA / 8];
    let whole = Span::from_ptr_size(memory.as_mut_ptr().cast(), 3 * ARENA);
    let arena = |number: usize| whole.truncate(number * ARENA, (2 - number) * ARENA);
    let layout = |units: usize| Layout::from_size_align(units * UNIT, UNIT).unwrap();
    let mut heap = Talloc::<Compact>::with_config();
    let mut blocks = vec![];
    // SAFETY: The memory outlives the heap, and each block is freed once.
    unsafe {
        for number in 0..3 {
            let kind = Kind::new(number as u8);
            // The first arena is not purged, and has no blocks.
            let memory = if number == 0 { Memory::empty() } else { Memory::RECLAIMABLE };
            heap.arenas_mut().claim_of_kind(kind, arena(number), memory).unwrap();
            if number == 0 {
                continue;
            }
            let mut malloc =
                |units| heap.of_kinds(Kinds::only(kind)).malloc(layout(units)).unwrap();
            let free = CHUNKS.map(|units| {
                let block = malloc(units);
                blocks.push((number, malloc(1)));
                block
            });
            for (block, units) in free.into_iter().zip(CHUNKS) {
                heap.free(block, layout(units));
            }
        }
        heap.verify().unwrap();

        // The sweep stops in the second arena, after its largest chunk.
        let mut cursor = Cursor::START;
        let purged = [2, 2].map(|pieces| sweep(&mut heap, &mut cursor, pieces, arena(1)));
        assert!(purged[1] > 0 && cursor.number == 1, "{purged:?}, {cursor:?}");
        for (_, block) in blocks.iter().filter(|(number, _)| *number == 1) {
            heap.free(*block, layout(1));
        }
        heap.arena(arena(1)).unwrap().release().unwrap();

        // The largest chunk of the third arena is purged, too. The other two chunks have fewer bytes together.
        let bytes = sweep(&mut heap, &mut cursor, 100, arena(2));
        assert!(bytes > (CHUNKS[1] + CHUNKS[2]) * UNIT, "{bytes}");
    }
}
