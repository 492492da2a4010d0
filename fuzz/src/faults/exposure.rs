//! Reads of memory that the program does not own. Does the heap leave the former contents there?

use std::ptr::{self, NonNull};

use talloc_core::Config;

use super::class::Class;
use super::outcome::{Outcome, Verdict};
use super::program::Program;
use crate::ops::cursor::nearest_layout;
use crate::pattern;

/// The largest number of calls before the read.
const BEFORE: usize = 160;

/// Smaller blocks may consist only of links.
const LEAST: usize = 64;

/// Reads memory. The fault is caught if the former contents are gone.
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

/// Returns whether a freed block still has its contents, and how many calls ago it was freed.
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
    // One in 256 random bytes is equal by chance.
    Some((8 * same > former.len(), program.calls - freed.at))
}

/// Returns whether a new block contains anything except a single repeated word.
fn new<C: Config>(program: &mut Program<C>) -> Option<(bool, usize)> {
    let size = LEAST + 8 * program.random.usize(..64);
    // SAFETY: `malloc` has no preconditions.
    let ptr = unsafe { program.heap.malloc(nearest_layout(size, 8)) }.ok()?;
    let bytes = bytes(ptr, size);
    Some((bytes.chunks(8).any(|word| *word != bytes[..8]), 0))
}

fn bytes(ptr: NonNull<u8>, size: usize) -> Vec<u8> {
    // SAFETY: The memory is in the pool and initialised, and there are no references to it.
    unsafe { &*ptr::slice_from_raw_parts(ptr.as_ptr(), size) }.to_vec()
}
