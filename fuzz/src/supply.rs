//! Sources of memory, friendly and hostile.

use std::alloc::Layout;
use std::panic::resume_unwind;
use std::ptr::NonNull;

use crate::heap::Limits;
use talloc_core::{AllocError, ArenaError, Config, Source, Span, Talloc};

/// How often a heap may ask for the sake of one request. Each call but a lie gives something, and
/// no script has room for this many gifts.
const PATIENCE: usize = 100_000;

/// After this many calls for one request a source has nothing more, but for one request in as many
/// again, which may ask for ever.
const WEARY: usize = 16;

/// What a source does when it is asked for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Has nothing.
    Refuse,
    /// Doubles the first arena.
    Double,
    /// Frees a block.
    Evict,
    /// Says that there is more, which is not so.
    Lie,
    /// Extends the first arena by a byte or a few.
    Dribble,
    /// Truncates the first arena as far as it goes, and extends it again to a little more.
    Reshape,
    /// Claims another arena.
    Claim,
    /// Gives what the heap has, again: in whole, in part, and beyond its end.
    Again,
}

impl Kind {
    /// Every kind.
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

/// What a source did to the heap.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// Freed a block.
    Freed(NonNull<u8>),
    /// Gave an arena, empty if it was a new one, a new span.
    Reshaped { old: Span, new: Span },
}

/// A source that does as the driver tells it, and notes what it did.
#[derive(Debug)]
pub struct Supply {
    kind: Kind,
    /// How often [`prepare`](Self::prepare) was called, and how often the source since.
    requests: usize,
    calls: usize,
    plan: Plan,
    events: Vec<Event>,
    /// Calls until one panics, and how many there are from one such call to the next.
    fuse: Option<(usize, usize)>,
}

/// What a source panics with.
#[derive(Debug)]
pub struct Bomb;

/// What a source may give.
#[derive(Debug, Default)]
pub struct Plan {
    /// What the first arena may be extended to.
    pub room: Span,
    /// Memory for further arenas.
    pub spare: Span,
    /// Blocks that may be freed.
    pub victims: Vec<(NonNull<u8>, Layout)>,
}

impl Supply {
    /// A source that refuses until it is [prepared](Self::prepare).
    pub fn new(kind: Kind) -> Self {
        Self { kind, requests: 0, calls: 0, plan: Plan::default(), events: Vec::new(), fuse: None }
    }

    /// Has the source panic with a [`Bomb`] once in so many calls.
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
                // Without a message.
                resume_unwind(Box::new(Bomb));
            }
        }
    }

    pub fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
    }

    /// Says what may be given to the next request.
    pub fn prepare(&mut self, plan: Plan) {
        self.requests += 1;
        self.calls = 0;
        self.plan = plan;
    }

    /// What was done since the last time, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Counts a call; errs if there have been enough.
    fn called(&mut self) -> Result<usize, AllocError> {
        self.calls += 1;
        assert!(self.calls < PATIENCE, "the heap asks its source for ever");
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

/// Extends the first arena, as far as there is room, by what `more` makes of its size.
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
        // More at the top than at the bottom, so that both ends are exercised.
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
    // SAFETY: The driver keeps all of the room for the first arena, and the new span lies in it.
    unsafe { heap.arenas_mut().try_extend(new) }.map_err(|_| AllocError)?;
    heap.source_mut().events.push(Event::Reshaped { old, new });
    Ok(())
}

fn evict<C: Config>(heap: &mut Talloc<C, Supply>) -> Result<(), AllocError> {
    let (ptr, layout) = heap.source_mut().plan.victims.pop().ok_or(AllocError)?;
    // SAFETY: The driver only names live blocks that are not part of the request.
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
    // SAFETY: The driver keeps the spare memory for further arenas.
    unsafe { heap.claim(new) }.map_err(|_| AllocError)?;
    let source = heap.source_mut();
    source.events.push(Event::Reshaped { old: Span::empty(), new });
    source.plan.spare = spare.above(new.acme().expect("the new arena is not empty"));
    Ok(())
}

/// Claims an arena again, or what overlaps it, and says that there is more now.
fn again<C: Config>(heap: &mut Talloc<C, Supply>, calls: usize) -> Result<(), AllocError> {
    let arena = heap.arenas().nth(calls % 3).or_else(|| heap.arenas().next());
    let arena = arena.ok_or(AllocError)?;
    let part = arena.size() / 3;
    let stale = [arena, arena.truncate(part, part), arena.truncate(part, 0).extend(0, 8)];
    for span in stale.into_iter().filter(|span| span.is_sized()) {
        // SAFETY: It overlaps an arena, so it is refused and not touched.
        assert_eq!(unsafe { heap.claim(span) }, Err(ArenaError::Overlap), "{span} of {arena}");
    }
    Ok(())
}
