//! Sources of memory, friendly and hostile.

use std::alloc::Layout;
use std::panic::resume_unwind;
use std::ptr::NonNull;

use crate::heap::Limits;
use talloc_core::{AllocError, ArenaError, Config, Source, Span, Talloc};

/// How often a heap may call its source for one request. Each call except a lie provides something, and no script has
/// memory for this many calls.
const PATIENCE: usize = 100_000;

/// After this many calls for one request, a source fails. One request in as many is exempt from this limit.
const WEARY: usize = 16;

/// What a source does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Fails.
    Refuse,
    /// Doubles the first arena.
    Double,
    /// Frees a block.
    Evict,
    /// Reports success without providing memory.
    Lie,
    /// Extends the first arena by one or a few bytes.
    Dribble,
    /// Truncates the first arena as far as possible, and extends it to slightly more than before.
    Reshape,
    /// Claims another arena.
    Claim,
    /// Claims existing memory again: a whole arena, a part of one, and a span beyond its end.
    Again,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Refuse,
        Self::Double,
        Self::Evict,
        Self::Lie,
        Self::Dribble,
        Self::Reshape,
        Self::Claim,
        Self::Again,
    ];
}

/// An action of a source.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A block was freed.
    Freed(NonNull<u8>),
    /// The span of an arena was changed. `old` is empty for a new arena.
    Reshaped { old: Span, new: Span },
}

/// A source controlled by the driver, which records its actions.
#[derive(Debug)]
pub struct Supply {
    kind: Kind,
    /// The number of calls of [`prepare`](Self::prepare), and the number of calls of the source since then.
    requests: usize,
    calls: usize,
    plan: Plan,
    events: Vec<Event>,
    /// The number of calls until the next panic, and the interval between panics.
    fuse: Option<(usize, usize)>,
}

/// The panic payload of a source.
#[derive(Debug)]
pub struct Bomb;

/// What a source may provide.
#[derive(Debug, Default)]
pub struct Plan {
    /// The span to which the first arena may be extended.
    pub room: Span,
    /// Memory for further arenas.
    pub spare: Span,
    /// Blocks that may be freed.
    pub victims: Vec<(NonNull<u8>, Layout)>,
}

impl Supply {
    /// Creates a source that fails until it is [prepared](Self::prepare).
    pub fn new(kind: Kind) -> Self {
        Self { kind, requests: 0, calls: 0, plan: Plan::default(), events: Vec::new(), fuse: None }
    }

    /// Makes the source panic with a [`Bomb`] at every `calls`-th call.
    #[must_use]
    pub fn with_fuse(self, calls: usize) -> Self {
        Self { fuse: Some((calls, calls)), ..self }
    }

    /// Panics if it is time.
    fn burn(&mut self) {
        if let Some((left, calls)) = &mut self.fuse {
            *left -= 1;
            if *left == 0 {
                *left = *calls;
                // This prints no message.
                resume_unwind(Box::new(Bomb));
            }
        }
    }

    pub fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
    }

    /// Sets what may be provided for the next request.
    pub fn prepare(&mut self, plan: Plan) {
        self.requests += 1;
        self.calls = 0;
        self.plan = plan;
    }

    /// Returns the actions since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Counts a call. Fails if there have been too many.
    fn called(&mut self) -> Result<usize, AllocError> {
        self.calls += 1;
        assert!(self.calls < PATIENCE, "the heap calls its source forever");
        let weary = self.calls > WEARY && self.requests % WEARY != 1;
        if weary { Err(AllocError) } else { Ok(self.calls) }
    }
}

impl<C: Config> Source<C> for Supply {
    fn acquire(heap: &mut Talloc<C, Self>, layout: Layout) -> Result<(), AllocError> {
        heap.source_mut().burn();
        let calls = heap.source_mut().called()?;
        match heap.source().kind {
            Kind::Refuse => Err(AllocError),
            Kind::Lie => Ok(()),
            Kind::Evict => evict(heap),
            Kind::Double => extend(heap, |size| size.max(64)),
            Kind::Dribble => extend(heap, |_| 1 + calls % 16),
            Kind::Reshape if calls <= 2 => reshape(heap, calls),
            Kind::Reshape => Err(AllocError),
            Kind::Claim => claim(heap, layout),
            Kind::Again => again(heap, calls),
        }
    }
}

/// Extends the first arena within its room, by a number of bytes that `more` computes from its size.
fn extend<C: Config>(
    heap: &mut Talloc<C, Supply>,
    more: impl Fn(usize) -> usize,
) -> Result<(), AllocError> {
    let old = heap.get_arena();
    let room = heap.source().plan.room;
    let more = more(old.size());
    let new = if old.is_empty() {
        room.truncate(0, room.size().saturating_sub(more))
    } else {
        // More at the top than at the bottom, so that the two ends differ.
        old.extend(more / 4, more - more / 4).fit_within(room)
    };
    extend_to(heap, old, new)
}

fn extend_to<C: Config>(
    heap: &mut Talloc<C, Supply>,
    old: Span,
    new: Span,
) -> Result<(), AllocError> {
    if new == old {
        return Err(AllocError);
    }
    // SAFETY: The driver reserves the room for the first arena, and the new span lies in it.
    unsafe { heap.arenas_mut().try_extend(new) }.map_err(|_| AllocError)?;
    heap.source_mut().events.push(Event::Reshaped { old, new });
    Ok(())
}

fn evict<C: Config>(heap: &mut Talloc<C, Supply>) -> Result<(), AllocError> {
    let (ptr, layout) = heap.source_mut().plan.victims.pop().ok_or(AllocError)?;
    // SAFETY: The driver lists only allocated blocks that the current request does not use.
    unsafe { heap.free(ptr, layout) };
    heap.source_mut().events.push(Event::Freed(ptr));
    Ok(())
}

fn reshape<C: Config>(heap: &mut Talloc<C, Supply>, more: usize) -> Result<(), AllocError> {
    heap.flush();
    let old = heap.get_arena();
    let small = heap.get_allocated_span();
    heap.arenas_mut().try_truncate(small).map_err(|_| AllocError)?;
    heap.source_mut().events.push(Event::Reshaped { old, new: small });
    let room = heap.source().plan.room;
    extend_to(heap, small, old.extend(more, more).fit_within(room))
}

fn claim<C: Config>(heap: &mut Talloc<C, Supply>, layout: Layout) -> Result<(), AllocError> {
    let spare = heap.source().plan.spare;
    let reach = Limits::of::<C>().reach();
    let size = layout.size().saturating_mul(2).saturating_add(4096).min(reach);
    let new = spare.truncate(0, spare.size().saturating_sub(size));
    if new.is_empty() {
        return Err(AllocError);
    }
    // SAFETY: The driver reserves the spare memory for further arenas.
    unsafe { heap.claim(new) }.map_err(|_| AllocError)?;
    let source = heap.source_mut();
    source.events.push(Event::Reshaped { old: Span::empty(), new });
    source.plan.spare = spare.above(new.acme().expect("the new arena is not empty"));
    Ok(())
}

/// Claims an arena again, or a span that overlaps it. The source then reports success.
fn again<C: Config>(heap: &mut Talloc<C, Supply>, calls: usize) -> Result<(), AllocError> {
    let arena = heap.arenas().nth(calls % 3).or_else(|| heap.arenas().next());
    let arena = arena.ok_or(AllocError)?;
    let part = arena.size() / 3;
    let stale = [arena, arena.truncate(part, part), arena.truncate(part, 0).extend(0, 8)];
    for span in stale.into_iter().filter(|span| span.is_sized()) {
        // SAFETY: The span overlaps an arena, so the heap refuses it.
        assert_eq!(unsafe { heap.claim(span) }, Err(ArenaError::Overlap), "{span} of {arena}");
    }
    Ok(())
}
