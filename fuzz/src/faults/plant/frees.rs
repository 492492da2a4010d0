//! Wrong frees.

use std::alloc::Layout;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use talloc_core::{ChunkKind, Config};

use super::super::note;
use super::super::program::Program;
use super::Planted;
use crate::heap::GRANULE;
use crate::ops::cursor::nearest_layout;
use crate::supply::Bomb;

/// A static of the program.
static FIXED: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];

/// Frees memory that must not be freed.
pub(super) fn free<C: Config>(
    program: &mut Program<C>,
    ptr: NonNull<u8>,
    layout: Layout,
) -> Planted {
    // SAFETY: This is misuse, which the caller of `inject` accepts.
    unsafe { program.heap.free(ptr, layout) };
    program.called();
    Planted::now(program)
}

/// Returns a pointer with another address and the provenance of `ptr`.
pub(super) fn at(ptr: NonNull<u8>, addr: usize) -> Option<NonNull<u8>> {
    NonNull::new(ptr.as_ptr().with_addr(addr))
}

pub(super) fn twice<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    program.free(index);
    Some(free(program, block.ptr, block.layout))
}

/// Frees a block twice, and the handler panics.
pub(super) fn twice_with_panic<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    program.free(index);
    note::set_panics(true);
    // SAFETY: This is misuse, which the caller of `inject` accepts.
    let freed = catch_unwind(AssertUnwindSafe(|| unsafe {
        program.heap.free(block.ptr, block.layout);
    }));
    note::set_panics(false);
    if let Err(panic) = freed {
        if !panic.is::<Bomb>() {
            resume_unwind(panic);
        }
    }
    program.called();
    Some(Planted::now(program))
}

/// Frees a block again whose memory has not been reused.
pub(super) fn twice_with_delay<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let freed = *program.random.choice(&program.freed)?;
    let distance = program.calls - freed.at;
    if distance == 0 || !program.is_unused(freed.span()) {
        return None;
    }
    Some(Planted { distance, ..free(program, freed.block.ptr, freed.block.layout) })
}

/// Frees a block, allocates blocks of the same or of other sizes, and frees it again.
pub(super) fn after_reuse<C: Config>(
    program: &mut Program<C>,
    on_planted: &mut dyn FnMut(usize, usize),
) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    program.free(index);
    let freed = program.calls;
    let most = 1 << program.random.usize(..8);
    let is_same = program.random.bool();
    for _ in 0..1 + program.random.usize(..most) {
        let size = program.random.usize(..=2 * block.layout.size());
        let layout = if is_same { block.layout } else { nearest_layout(size, 8) };
        if program.allocate(layout, false).is_none() {
            break;
        }
    }
    let distance = program.calls - freed;
    on_planted(0, distance);
    Some(Planted { distance, ..free(program, block.ptr, block.layout) })
}

/// Frees a granule within a block.
pub(super) fn interior<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    let granules = block.layout.size() / GRANULE;
    let offset = GRANULE * program.random.usize(1..granules.max(2));
    let rest = block.layout.size().checked_sub(offset)?;
    let size = if program.random.bool() { rest } else { block.layout.size() };
    let within = at(block.ptr, block.ptr.addr().get() + offset)?;
    Some(free(program, within, nearest_layout(size, 1)))
}

/// Frees an address that is not aligned to a granule.
pub(super) fn unaligned<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let index = program.any()?;
    let block = program.shadow.get(index);
    let granule = GRANULE * program.random.usize(..=block.layout.size() / GRANULE);
    let offset = granule + program.random.usize(1..GRANULE);
    let within = at(block.ptr, block.ptr.addr().get() + offset)?;
    let align = if program.random.bool() { 1 } else { block.layout.align() };
    Some(free(program, within, nearest_layout(block.layout.size(), align)))
}

/// Returns a random layout of at most `bytes` bytes.
fn any_layout<C: Config>(program: &mut Program<C>, bytes: usize) -> Layout {
    nearest_layout(program.random.usize(1..=bytes), 1 << program.random.usize(..4))
}

/// Frees memory on the stack.
pub(super) fn stack<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let layout = any_layout(program, 256);
    let offset = program.random.usize(..16) * GRANULE;
    let ptr = program.stack.with_addr(program.stack.addr() + offset);
    Some(free(program, NonNull::new(ptr)?, layout))
}

/// Frees a static.
pub(super) fn fixed<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let layout = any_layout(program, 256);
    let first = program.random.usize(..16);
    Some(free(program, NonNull::new(FIXED[first].as_ptr())?.cast(), layout))
}

/// Frees a block of another heap.
pub(super) fn other_heap<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let block = program.other_block;
    Some(free(program, block.ptr, block.layout))
}

/// Frees the bitmap.
pub(super) fn own_memory<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let own = program.heap.inspect().memory_map().filter(|chunk| chunk.kind == ChunkKind::Own);
    let own: Vec<_> = own.map(|chunk| chunk.span).collect();
    let own = program.random.choice(&own)?;
    let (base, granules) = (own.get_base_ptr()?, own.size() / GRANULE);
    let ptr = base.wrapping_add(program.random.usize(..granules) * GRANULE);
    let layout = any_layout(program, 256);
    Some(free(program, NonNull::new(ptr)?, layout))
}

/// Frees an address near an arena's ends, or a random one.
pub(super) fn wild<C: Config>(program: &mut Program<C>) -> Option<Planted> {
    let arena = *program.random.choice(&program.arenas)?;
    let (base, acme) = arena.get_base_acme()?;
    let addr = match program.random.usize(..4) {
        0 => acme.next_multiple_of(GRANULE),
        1 => (base - 1) / GRANULE * GRANULE,
        2 => acme.next_multiple_of(GRANULE) + GRANULE * program.random.usize(..1 << 10),
        _ => GRANULE * program.random.usize(1..usize::MAX / GRANULE),
    };
    if program.arenas.iter().any(|arena| arena.contains(addr)) {
        return None;
    }
    let layout = any_layout(program, 256);
    let ptr = NonNull::new(arena.get_base_ptr()?.with_addr(addr))?;
    Some(free(program, ptr, layout))
}
