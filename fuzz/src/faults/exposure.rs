//! Reading memory that is not the program's: does a heap leave there what was written before?

use std::ptr::{self, NonNull};

use talloc_core::Config;

use super::class::Class;
use super::outcome::{Outcome, Verdict};
use super::program::Program;
use crate::ops::cursor::nearest_layout;
use crate::pattern;

/// Calls before the look.
const BEFORE: usize = 160;

/// Blocks of fewer bytes may be all links.
const LEAST: usize = 64;

/// Looks at memory, which is caught if its former contents are gone.
pub(super) fn look<C: Config>(class: Class, seed: u64) -> Outcome {
    let mut program = Program::<C>::new(seed);
    let before = program.random.usize(BEFORE / 8..BEFORE);
    program.run(before);
    let found = match class {
        Class::ReadAfterFree => freed(&mut program),
        _ => new(&mut program),
    };
    let Some((is_exposed, distance)) = found else { return Outcome::new(Verdict::Skipped) };
    let caught = Verdict::Caught { after: 0, is_late: false };
    let verdict = if is_exposed { Verdict::Missed } else { caught };
    Outcome { distance, ..Outcome::new(verdict) }
}

/// Whether a freed block contains what it did, and how many calls ago it was freed.
fn freed<C: Config>(program: &mut Program<C>) -> Option<(bool, usize)> {
    let all = program.freed.clone();
    let freed: Vec<_> = all
        .into_iter()
        .filter(|freed| freed.block.layout.size() >= LEAST && program.is_unused(freed.span()))
        .collect();
    let freed = program.random.choice(&freed)?;
    let mut former = vec![0; freed.block.layout.size()];
    pattern::write(freed.block.id, 0, &mut former);
    let now = bytes(freed.block.ptr, former.len());
    let same = former.iter().zip(&now).filter(|(former, now)| former == now).count();
    // Of random bytes, one in 256 is the same.
    Some((8 * same > former.len(), program.calls - freed.at))
}

/// Whether a new block contains anything but one word, over and over.
fn new<C: Config>(program: &mut Program<C>) -> Option<(bool, usize)> {
    let size = LEAST + 8 * program.random.usize(..64);
    // SAFETY: The arenas are the heap's.
    let ptr = unsafe { program.heap.malloc(nearest_layout(size, 8)) }.ok()?;
    let bytes = bytes(ptr, size);
    Some((bytes.chunks(8).any(|word| *word != bytes[..8]), 0))
}

fn bytes(ptr: NonNull<u8>, size: usize) -> Vec<u8> {
    // SAFETY: The memory is the pool's, all of which has been written to, and nobody has a reference to it.
    unsafe { &*ptr::slice_from_raw_parts(ptr.as_ptr(), size) }.to_vec()
}
