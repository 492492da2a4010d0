//! Calls with a wrong or an extreme layout.

use std::alloc::Layout;

use talloc_core::{AllocError, Config};

use super::super::note;
use super::super::program::Program;
use super::{Planted, frees};
use crate::heap::GRANULE;
use crate::ops::cursor::{Cursor, nearest_layout};
use crate::shadow::Block;

/// Frees a block with a wrong size.
pub(super) fn wrong_size<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    let wrong = other_size(program, block)?;
    let planted = frees::free(program, block.ptr, wrong);
    take_for_freed(program, index);
    Some(planted)
}

/// Frees or grows a block with a wrong alignment.
pub(super) fn wrong_align<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    let align = 2 << (block.ptr.addr().trailing_zeros() + program.random.u32(..3));
    let wrong = nearest_layout(block.layout.size(), align);
    if program.random.bool() {
        let planted = frees::free(program, block.ptr, wrong);
        take_for_freed(program, index);
        return Some(planted);
    }
    resize(program, index, wrong);
    Some(Planted::now(program))
}

/// Grows, shrinks or reallocates a block with a wrong size.
pub(super) fn wrong_size_resize<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    let wrong = other_size(program, block)?;
    resize(program, index, wrong);
    Some(Planted::now(program))
}

/// Requests more than any heap can provide.
pub(super) fn extreme<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let bytes: [u8; 4] = std::array::from_fn(|_| program.random.u8(..));
    let mut cursor = Cursor::new(&bytes);
    let huge = nearest_layout(cursor.huge_size(), cursor.huge_align());
    let index = program.any()?;
    let block = program.shadow.get(index);
    let (ptr, old) = (block.ptr, block.layout);
    let more = nearest_layout(huge.size(), old.align()).size();
    // SAFETY: The block is allocated with this layout.
    let result = unsafe {
        match program.random.usize(..5) {
            0 => program.heap.malloc(huge),
            1 => program.heap.malloc_zeroed(huge),
            2 => program.heap.grow(ptr, old, more),
            3 => program.heap.grow_in_place(ptr, old, more),
            _ => program.heap.realloc(ptr, old, more),
        }
    };
    program.called();
    let harm = result.is_ok().then(|| format!("{huge:?} was allocated, or {more} bytes"));
    Some(Planted { is_refused: result.is_err(), harm, ..Planted::now(program) })
}

/// Returns the block's layout with another size that is rounded differently.
fn other_size<C: Config>(program: &mut Program<C>, block: Block) -> Option<Layout> {
    let (limits, size) = (program.limits, block.layout.size());
    let other = match program.random.usize(..4) {
        // At times, the size of the block and of a neighbour together.
        0 => {
            let neighbour = program.any()?;
            limits.rounded(size) + limits.rounded(program.shadow.get(neighbour).layout.size())
        }
        1 => limits.rounded(size) + GRANULE,
        2 => size.saturating_sub(GRANULE).max(1),
        _ => 1 + program.random.usize(..3000),
    };
    let is_other = limits.rounded(other) != limits.rounded(size);
    is_other.then(|| nearest_layout(other, block.layout.align()))
}

/// Resizes a block with the layout `wrong`.
fn resize<C: Config>(program: &mut Program<C>, index: usize, wrong: Layout) {
    let ptr = program.shadow.get(index).ptr;
    let more = wrong.size() + program.random.usize(..100);
    let less = program.random.usize(..=wrong.size());
    // SAFETY: This is misuse, which the caller of `inject` accepts.
    let (result, size) = unsafe {
        match program.random.usize(..4) {
            0 => (program.heap.grow(ptr, wrong, more), more),
            1 => (program.heap.grow_in_place(ptr, wrong, more), more),
            2 => {
                program.heap.shrink(ptr, wrong, less);
                (if note::is_any() { Err(AllocError) } else { Ok(ptr) }, less)
            }
            _ => (program.heap.realloc(ptr, wrong, less), less),
        }
    };
    program.resized(index, result, size);
}

/// Marks a block as freed, as far as the program knows, unless the call was reported.
fn take_for_freed<C: Config>(program: &mut Program<C>, index: usize) {
    if program.reported.is_none() {
        let block = program.shadow.get(index);
        // The heap may already have written a link.
        let _ = program.shadow.remove(index);
        program.remember(block);
    }
}
