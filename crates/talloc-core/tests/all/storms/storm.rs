//! A source that fails regularly, and lies in between.

use core::alloc::Layout;
use core::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{AllocError, ArenaError, Config, Source, Span, Talloc};

use crate::storms::PAGE;

/// What a source does before it reports success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Extends the first arena by a page.
    Extend,
    /// Extends the first arena by a byte.
    Dribble,
    /// Claims a page.
    Claim,
    /// Claims a few bytes.
    ClaimLittle,
    /// Frees a block held in reserve.
    Free,
    /// Does nothing.
    Nothing,
    /// Claims the first arena again, which fails.
    Again,
    /// Claims a part of an arena, which fails.
    Part,
    /// Claims an arena together with the memory around it, which fails.
    Around,
    /// Truncates an arena as far as possible, and extends it again.
    Reshape,
}

pub const GIFTS: [Act; 4] = [Act::Extend, Act::Claim, Act::Free, Act::Dribble];
pub const LIES: [Act; 6] =
    [Act::Nothing, Act::Again, Act::Part, Act::Around, Act::ClaimLittle, Act::Reshape];

/// A source that fails at every `fails`th call and reports success at all others.
pub struct Storm {
    pub fails: usize,
    pub acts: Vec<Act>,
    /// The memory for the first arena, and that for further ones.
    pub room: Span,
    pub spare: Span,
    pub kept: Vec<(NonNull<u8>, Layout)>,
    /// The total size of the arenas in bytes.
    pub given: usize,
    pub calls: usize,
    /// The number of calls for the current request.
    pub tries: usize,
    pub random: Rng,
}

impl<C: Config> Source<C> for Storm {
    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        let source = heap.source_mut();
        source.calls += 1;
        source.tries += 1;
        if source.calls % source.fails == 0 {
            return Err(AllocError);
        }
        let act = source.random.choice(&source.acts).copied().unwrap();
        let first = heap.get_arena();
        let arena = heap.arenas().last().unwrap();
        match act {
            Act::Extend => extend(heap, PAGE),
            Act::Dribble => extend(heap, 1),
            Act::Claim => claim(heap, PAGE),
            Act::ClaimLittle => claim(heap, 24),
            Act::Free => free(heap),
            Act::Nothing => {}
            Act::Again => overlaps(heap, first),
            Act::Part => overlaps(heap, arena.truncate(arena.size() / 2, 16)),
            Act::Around => overlaps(heap, arena.extend(100, 100)),
            Act::Reshape => reshape(heap),
        }
        Ok(())
    }
}

/// Extends the first arena, as far as there is memory.
fn extend<C: Config>(heap: &mut Talloc<C, Storm>, by: usize) {
    let (old, room) = (heap.get_arena(), heap.source().room);
    let new = old.extend(by / 4, by - by / 4).fit_within(room);
    // SAFETY: This memory is reserved for the first arena.
    unsafe { heap.extend(new) };
    heap.source_mut().given += new.size() - old.size();
}

/// Claims some of the spare memory. The heap may refuse it.
fn claim<C: Config>(heap: &mut Talloc<C, Storm>, size: usize) {
    let spare = heap.source().spare;
    if spare.size() < size {
        return;
    }
    let (page, above) = spare.split_at(spare.base().unwrap() + size);
    // SAFETY: This memory is reserved for further arenas.
    match unsafe { heap.claim(page) } {
        Ok(()) => {
            heap.source_mut().spare = above;
            heap.source_mut().given += size;
        }
        Err(error) => assert_eq!(error, ArenaError::TooSmall),
    }
}

/// Frees a block held in reserve, if there is one.
pub fn free<C: Config>(heap: &mut Talloc<C, Storm>) {
    if let Some((block, layout)) = heap.source_mut().kept.pop() {
        // SAFETY: The block has this layout, and is freed once.
        unsafe { heap.free(block, layout) };
    }
}

fn overlaps<C: Config>(heap: &mut Talloc<C, Storm>, span: Span) {
    // SAFETY: The heap refuses this span.
    assert_eq!(unsafe { heap.claim(span) }, Err(ArenaError::Overlap));
}

fn reshape<C: Config>(heap: &mut Talloc<C, Storm>) {
    let (arena, least) = (heap.get_arena(), heap.get_allocated_span());
    if least.is_sized() {
        heap.truncate(least);
        // SAFETY: The arena had this memory before.
        unsafe { heap.extend(arena) };
    }
}
