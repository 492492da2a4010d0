//! Writes to memory that the program does not own.

use std::ptr::{self, NonNull};

use talloc_core::{Config, Span};

use super::super::program::Program;
use super::Planted;
use super::frees::at;

/// The sizes of writes beyond a block, in groups of equal probability.
const SIZES: [(usize, usize); 6] = [(1, 1), (2, 7), (8, 8), (9, 16), (17, 32), (33, 64)];

/// Writes beyond the end of a block.
pub(super) fn overflow<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    let bytes = any_bytes(program);
    write(program, block.ptr, block.ptr.addr().get() + block.layout.size(), &bytes)
}

/// Writes before the start of a block.
pub(super) fn underflow<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    let bytes = any_bytes(program);
    write(program, block.ptr, block.ptr.addr().get() - bytes.len(), &bytes)
}

/// Writes to a freed block whose memory has not been reused.
pub(super) fn after_free<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let freed = *program.random.choice(&program.freed)?;
    if !program.is_unused(freed.span()) {
        return None;
    }
    let size = freed.block.layout.size();
    let (start, end) = match program.random.usize(..4) {
        0 => (0, size.min(8)),
        1 => (8, size.min(16)),
        2 => (0, size),
        _ => {
            let start = program.random.usize(..size.max(1));
            (start, size.min(start + program.random.usize(1..=64)))
        }
    };
    if start >= end {
        return None;
    }
    let bytes = garbage(program, end - start);
    let planted = write(program, freed.block.ptr, freed.block.ptr.addr().get() + start, &bytes)?;
    Some(Planted { distance: program.calls - freed.at, ..planted })
}

fn any_bytes<C: Config>(program: &mut Program<C>) -> Vec<u8> {
    let (least, most) = *program.random.choice(&SIZES).expect("there are some");
    let len = program.random.usize(least..=most);
    garbage(program, len)
}

/// Returns what a faulty program might write: zeros, ones, text, an address in an arena, or random bytes.
fn garbage<C: Config>(program: &mut Program<C>, len: usize) -> Vec<u8> {
    match program.random.usize(..5) {
        0 => vec![0; len],
        1 => vec![0xff; len],
        2 => vec![b'A'; len],
        3 => {
            let block = program.any().map(|index| program.shadow.get(index).ptr.addr().get());
            block.unwrap_or(1 << 20).to_ne_bytes().iter().copied().cycle().take(len).collect()
        }
        _ => (0..len).map(|_| program.random.u8(..)).collect(),
    }
}

/// Writes to memory of the arenas. Restores the contents of allocated blocks, because the rest of the program shows how
/// the heap reacts. Returns `None` if nothing would change, or if the memory is not in a single arena.
pub(super) fn write<C: Config>(
    program: &mut Program<C>,
    ptr: NonNull<u8>,
    addr: usize,
    bytes: &[u8],
) -> Option<Planted> {
    let span = Span::try_from_base_size(addr, bytes.len())?;
    if !program.is_in_arena(span) {
        return None;
    }
    let memory = ptr::slice_from_raw_parts_mut(at(ptr, addr)?.as_ptr(), bytes.len());
    // SAFETY: The memory is in the pool and initialised, and no reference to it is in use.
    let memory = unsafe { &mut *memory };
    if memory == bytes {
        return None;
    }
    memory.copy_from_slice(bytes);
    let hit = program.shadow.blocks().iter().filter(|block| block.span().overlaps(span));
    let mut harm = None;
    for block in hit {
        // A block of no bytes cannot be overwritten.
        if block.check(block.layout.size()).is_err() {
            block.write(0);
            harm = Some(format!("the fault overwrote block b{}", block.id));
        }
    }
    Some(Planted { size: bytes.len(), harm, ..Planted::now(program) })
}
