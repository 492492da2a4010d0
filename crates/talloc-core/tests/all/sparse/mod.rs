//! Arenas and blocks of gigabytes, most of which are never touched.

#![cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]

mod arenas;
mod blocks;
use core::ptr::NonNull;

use crate::common::layout;
use talloc_core::{Config, OwnedTalloc, Report, Span, Talloc, Uncached};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// [`Compact`] without quick lists. Unlike [`RealTime`](talloc_core::RealTime), it does not touch the whole bitmap when
/// memory is claimed.
type Plain = Uncached;

fn heap<C: Config>(arena: Span) -> OwnedTalloc<C> {
    let mut heap = Talloc::with_config();
    // SAFETY: The tests keep the memory as long as the heap.
    unsafe { heap.init(arena) };
    heap
}

fn malloc<C: Config>(heap: &mut Talloc<C>, size: usize) -> Option<NonNull<u8>> {
    // SAFETY: `malloc` has no preconditions.
    unsafe { heap.malloc(layout(size, 8)) }.ok()
}

fn free<C: Config>(heap: &mut Talloc<C>, block: NonNull<u8>, size: usize) {
    // SAFETY: The tests free each block once, with its size.
    unsafe { heap.free(block, layout(size, 8)) };
}

/// The offsets in a block that the tests access: its ends, and both sides of 4 GiB.
fn places(size: usize) -> impl Iterator<Item = usize> {
    [0, 4 * GIB - 1, 4 * GIB, size - 1].into_iter().filter(move |at| *at < size)
}

fn mark(block: NonNull<u8>, size: usize, content: u8) {
    // SAFETY: The access is within the block.
    places(size).for_each(|at| unsafe { block.add(at).write(content) });
}

/// Checks the marks of a block of `size` bytes.
fn check(block: NonNull<u8>, size: usize, content: u8) {
    // SAFETY: The accesses are within the block, and these bytes were written.
    assert!(places(size).all(|at| unsafe { block.add(at).read() } == content));
}

/// Coalesces everything, and returns the report.
fn settled<C: Config>(heap: &mut Talloc<C>) -> Report {
    heap.flush();
    heap.verify().unwrap()
}
