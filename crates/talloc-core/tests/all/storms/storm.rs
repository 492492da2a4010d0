//! A source that fails every so often, and lies in between.

use core::alloc::Layout;
use core::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{AllocError, ArenaError, Config, Source, Span, Talloc};

use crate::storms::PAGE;

/// What a source does when it is asked for memory, and says that it has given some.
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
    /// Frees a block that is kept for the case of need.
    Free,
    /// Does nothing.
    Nothing,
    /// Claims the first arena again.
    Again,
    /// Claims a part of an arena.
    Part,
    /// Claims an arena and what lies around it.
    Around,
    /// Truncates an arena as far as it goes, and extends it again.
    Reshape,
}

pub const GIFTS: [Act; 4] = [Act::Extend, Act::Claim, Act::Free, Act::Dribble];
pub const LIES: [Act; 6] =
    [Act::Nothing, Act::Again, Act::Part, Act::Around, Act::ClaimLittle, Act::Reshape];

/// A source of which every `fails`th call fails; all others succeed, for ever.
pub struct Storm {
    pub fails: usize,
    pub acts: Vec<Act>,
    /// What the first arena may be extended to, and what further ones are made of.
    pub room: Span,
    pub spare: Span,
    pub kept: Vec<(NonNull<u8>, Layout)>,
    /// Bytes that the arenas have.
    pub given: usize,
    pub calls: usize,
    /// How many of the calls were for the request in progress.
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

/// Extends the first arena, as far as there is room.
fn extend<C: Config>(heap: &mut Talloc<C, Storm>, by: usize) {
    let (old, room) = (heap.get_arena(), heap.source().room);
    let new = old.extend(by / 4, by - by / 4).fit_within(room);
    // SAFETY: The room is kept for the first arena.
    unsafe { heap.extend(new) };
    heap.source_mut().given += new.size() - old.size();
}

/// Claims some of what is spare, which may be refused.
fn claim<C: Config>(heap: &mut Talloc<C, Storm>, size: usize) {
    let spare = heap.source().spare;
    if spare.size() < size {
        return;
    }
    let (page, above) = spare.split_at(spare.base().unwrap() + size);
    // SAFETY: It is kept for further arenas.
    match unsafe { heap.claim(page) } {
        Ok(()) => {
            heap.source_mut().spare = above;
            heap.source_mut().given += size;
        }
        Err(error) => assert_eq!(error, ArenaError::TooSmall),
    }
}

/// Frees a block that is kept, if there is one.
pub fn free<C: Config>(heap: &mut Talloc<C, Storm>) {
    if let Some((block, layout)) = heap.source_mut().kept.pop() {
        // SAFETY: It was allocated with this layout, and is freed once.
        unsafe { heap.free(block, layout) };
    }
}

fn overlaps<C: Config>(heap: &mut Talloc<C, Storm>, span: Span) {
    // SAFETY: It is refused.
    assert_eq!(unsafe { heap.claim(span) }, Err(ArenaError::Overlap));
}

fn reshape<C: Config>(heap: &mut Talloc<C, Storm>) {
    let (arena, least) = (heap.get_arena(), heap.get_allocated_span());
    if least.is_sized() {
        heap.truncate(least);
        // SAFETY: It was the arena's before.
        unsafe { heap.extend(arena) };
    }
}
