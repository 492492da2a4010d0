//! Runs scripts, and checks the heap after every step.

mod arenas;
mod blocks;
mod checks;
mod discard;
mod finish;
mod merge;
mod refusals;

use std::alloc::Layout;
use std::ptr::NonNull;

use talloc_core::{Report, Span};

use crate::heap::{Heap, Limits};
use crate::ops::{Cut, Op, Setup};
use crate::pool::Pool;
use crate::seat::Seat;
use crate::shadow::Shadow;
use crate::supply::{Event, Plan};
use crate::trace::{Call, Fresh, Outcome, Place, Trace};

/// An error says what is wrong.
type Check = Result<(), String>;

/// The largest number of blocks that a source may free for one request.
const VICTIMS: usize = 8;

/// A heap, its expected state, and the calls so far.
pub struct Driver<H: Heap> {
    heap: Seat<H>,
    limits: Limits,
    setup: Setup,
    pool: Pool,
    /// In the order of their addresses. None is empty.
    arenas: Vec<Span>,
    /// The parts of the pool outside of the arenas.
    outside: Vec<Span>,
    shadow: Shadow,
    /// The heap's report after the last step.
    report: Report,
    trace: Trace,
    steps: usize,
    refusals: usize,
}

impl<H: Heap> Driver<H> {
    /// Creates a driver for a heap without arenas.
    pub fn new(heap: H, setup: &Setup) -> Self {
        let limits = Limits::of::<H::Config>();
        let pool = Pool::new(setup.pool_size());
        let report = heap.verify().expect("an empty heap must be sound");
        Self {
            heap: Seat::new(heap),
            limits,
            setup: setup.clone(),
            outside: vec![pool.whole()],
            pool,
            arenas: Vec::new(),
            shadow: Shadow::new(limits),
            report,
            trace: Trace::new(),
            steps: 0,
            refusals: 0,
        }
    }

    /// Runs operations, and cleans up afterwards. An error says what is wrong.
    pub fn run(&mut self, ops: &[Op]) -> Check {
        let size = self.setup.size;
        let base = self.pool.span().truncate(self.pool.span().size() / 3 + self.setup.skew, 0);
        self.init(base.truncate(0, base.size() - size))?;
        ops.iter().try_for_each(|op| self.step(*op))?;
        self.finish()
    }

    /// Returns the number of calls of the heap so far.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Returns the number of refused calls with wrong spans so far.
    pub fn refusals(&self) -> usize {
        self.refusals
    }

    /// Returns the heap under test.
    pub fn heap(&self) -> &H {
        &self.heap
    }

    /// Returns the calls so far, for printing.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    fn step(&mut self, op: Op) -> Check {
        let blocks = self.shadow.blocks().len();
        let arenas = self.arenas.len();
        match op {
            Op::Malloc { size, align } | Op::Unmet { size, align } => {
                self.malloc(size, align, Fresh::Any).map(drop)
            }
            Op::MallocZeroed { size, align } => self.malloc(size, align, Fresh::Zeroed).map(drop),
            Op::MallocDirty { size, align } => self.malloc(size, align, Fresh::Dirty).map(drop),
            Op::Fill { size, align, count } => self.fill(size, align, count),
            Op::Free { pick } => pick.of(blocks).map_or(Ok(()), |index| self.free(index)),
            Op::Drain { stride } => self.drain(stride),
            Op::Grow { pick, more } => {
                pick.of(blocks).map_or(Ok(()), |index| self.grow_by(index, more))
            }
            Op::GrowInPlace { pick, more } => {
                pick.of(blocks).map_or(Ok(()), |index| self.grow_in_place(index, more))
            }
            Op::Shrink { pick, less } => {
                pick.of(blocks).map_or(Ok(()), |index| self.shrink(index, less))
            }
            Op::GrowUnmet { pick, size } => {
                pick.of(blocks).map_or(Ok(()), |index| self.grow_by(index, size))
            }
            Op::Init { at, size } => self.init_at(at, size),
            Op::Extend { low, high } => self.extend(low, high),
            Op::Truncate { cut: Cut::By { low, high } } => self.truncate(low, high),
            Op::Truncate { cut: Cut::Tight { low, high } } => self.tighten(low, high),
            Op::Claim { gap, at, size, memory } => self.claim(gap, at, size, memory),
            Op::ExtendArena { pick, low, high, memory } => {
                pick.of(arenas).map_or(Ok(()), |index| self.extend_arena(index, low, high, memory))
            }
            Op::TruncateArena { pick, low, high } => {
                pick.of(arenas).map_or(Ok(()), |index| self.truncate_arena(index, low, high))
            }
            Op::Release { pick } => pick.of(arenas).map_or(Ok(()), |index| self.release(index)),
            Op::Merge { pick, extend } => self.merge(pick, extend),
            Op::Refused { wrong, pick, size } => self.refuse(wrong, pick, size),
            Op::Flush => self.flush(),
            Op::Move => self.move_heap(),
            Op::Discard { unit, least, zeroed } => self.discard(unit, least, zeroed),
        }
    }

    fn flush(&mut self) -> Check {
        self.trace.begin(Call::Flush);
        self.heap.flush();
        self.trace.end(Outcome::Done);
        self.settle()?;
        if (self.report.cached_blocks, self.report.cached_bytes) != (0, 0) {
            return Err(format!("blocks stayed in the quick lists: {:?}", self.report));
        }
        Ok(())
    }

    fn move_heap(&mut self) -> Check {
        self.trace.begin(Call::Move);
        self.heap.swap();
        self.trace.end(Outcome::Done);
        let before = self.settle()?;
        if self.report == before {
            Ok(())
        } else {
            Err(format!("a move changed {before:?} to {:?}", self.report))
        }
    }

    /// Sets what the source may do in the next call. It must not free the block `kept`.
    fn prepare(&mut self, kept: Option<NonNull<u8>>) {
        let first = self.heap.get_arena();
        let gaps = self.gaps();
        let largest = gaps.iter().copied().max_by_key(|gap| gap.size()).unwrap_or_default();
        let blocks = self.shadow.blocks();
        let stride = blocks.len() / VICTIMS + 1;
        let victims = blocks.iter().skip(self.steps % stride).step_by(stride);
        let victims = victims.filter(|block| Some(block.ptr) != kept);
        let plan = Plan {
            room: if first.is_empty() { largest } else { self.room(first) },
            spare: if self.arenas.len() < self.setup.max_arenas { largest } else { Span::empty() },
            victims: victims.map(|block| (block.ptr, block.layout)).collect(),
        };
        self.heap.talloc_mut().source_mut().prepare(plan);
    }

    /// Applies the actions of the source in the last call. Returns whether there were any.
    fn follow_events(&mut self) -> Result<bool, String> {
        let events = self.heap.talloc_mut().source_mut().take_events();
        let mut arenas = self.arenas.clone();
        for event in &events {
            match *event {
                Event::Freed(ptr) => {
                    let id = self.shadow.freed(ptr);
                    self.trace.note(Call::SourceFreed { id });
                }
                Event::Reshaped { old, new } => {
                    let (from, to) = (Place::of(old, &self.pool), Place::of(new, &self.pool));
                    self.trace.note(Call::SourceReshaped(from, to));
                    arenas.retain(|arena| *arena != old);
                    arenas.extend(new.is_sized().then_some(new));
                }
            }
        }
        self.rearrange(arenas)?;
        Ok(!events.is_empty())
    }

    /// Updates the arenas. Fills memory that no longer belongs to an arena with canaries.
    fn rearrange(&mut self, mut arenas: Vec<Span>) -> Check {
        arenas.sort_by_key(|arena| arena.base());
        let old = std::mem::replace(&mut self.arenas, arenas);
        for block in old.iter().map(|arena| self.shadow.live_span(*arena)) {
            if !self.arenas.iter().any(|arena| arena.contains_span(block)) && block.is_sized() {
                return Err("an arena was given up that has a live block".into());
            }
        }
        self.outside = without(self.pool.whole(), &self.arenas);
        for gap in &self.outside {
            old.iter().for_each(|arena| self.pool.restore(gap.fit_within(*arena)));
        }
        Ok(())
    }

    /// Returns the memory available for arenas.
    fn gaps(&self) -> Vec<Span> {
        without(self.pool.span(), &self.arenas)
    }

    /// Returns the largest span to which an arena could be extended.
    fn room(&self, arena: Span) -> Span {
        let others: Vec<Span> =
            self.arenas.iter().copied().filter(|other| *other != arena).collect();
        let gaps = without(self.pool.span(), &others);
        gaps.into_iter().find(|gap| gap.contains_span(arena)).unwrap_or(arena)
    }
}

/// Returns the valid layout that is closest to the arguments.
fn layout(size: usize, align: usize) -> Layout {
    crate::ops::cursor::nearest_layout(size, align)
}

/// Returns the parts of `span` outside of `arenas`, which are sorted.
pub(crate) fn without(span: Span, arenas: &[Span]) -> Vec<Span> {
    let mut gaps = Vec::with_capacity(arenas.len() + 1);
    let mut rest = span;
    for arena in arenas {
        let (below, above) = rest.except(*arena);
        gaps.push(below);
        rest = above;
    }
    gaps.push(rest);
    gaps.retain(|gap| gap.is_sized());
    gaps
}
