//! The calls of a run, for a failure report.

use std::alloc::Layout;
use std::fmt;

use talloc_core::{Memory, Span};

use crate::pool::Pool;

/// A call of a heap's method. Spans are relative to the start of the pool.
#[derive(Debug, Clone, Copy)]
pub enum Call {
    Malloc {
        id: usize,
        layout: Layout,
        fresh: Fresh,
    },
    Free {
        id: usize,
    },
    Grow {
        id: usize,
        size: usize,
    },
    GrowInPlace {
        id: usize,
        size: usize,
    },
    Shrink {
        id: usize,
        size: usize,
    },
    Realloc {
        id: usize,
        size: usize,
    },
    Init(Place),
    Extend(Place),
    Truncate(Place),
    Claim(Place, Memory),
    ExtendArena(Place, Place, Memory),
    RaiseArena(Place, Place, Memory),
    TruncateArena(Place, Place),
    Release(Place),
    Merge(Place, Place),
    AllocatedSpanOf(Place),
    Flush,
    Move,
    Discard {
        unit: usize,
        least: usize,
        zeroed: bool,
    },
    /// The source freed a block during the call above.
    SourceFreed {
        id: usize,
    },
    /// The source changed the span of an arena, or claimed one, during the call above.
    SourceReshaped(Place, Place),
}

/// The required contents of a new block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// Any contents.
    Any,
    /// Zeros.
    Zeroed,
    /// Zeros, except for a number of leading bytes that the heap returns.
    Dirty,
}

impl Fresh {
    /// Returns from which byte on a block must be zero, if the heap says that `dirty` bytes may not be.
    pub fn clean(self, dirty: usize) -> usize {
        match self {
            Self::Any => usize::MAX,
            Self::Zeroed => 0,
            Self::Dirty => dirty,
        }
    }
}

/// The result of a call.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    /// The call has not returned.
    Pending,
    Done,
    /// The call returned a block at this offset in the pool.
    At(usize),
    Refused,
}

/// A span, by offsets in the pool.
#[derive(Debug, Clone, Copy)]
pub struct Place(usize, usize);

impl Place {
    pub fn of(span: Span, pool: &Pool) -> Self {
        match span.get_base_acme() {
            Some((base, acme)) => Self(pool.offset(base), pool.offset(acme)),
            None => Self(0, 0),
        }
    }
}

/// The calls of a run, in order.
#[derive(Debug, Default)]
pub struct Trace {
    calls: Vec<(Call, Outcome)>,
    /// Whether to print each call before it is made, in case the process does not survive it.
    live: bool,
}

impl Trace {
    /// Creates an empty trace. If `TALLOC_FUZZ_TRACE` is set, it is printed as it grows.
    pub fn new() -> Self {
        Self { calls: Vec::new(), live: std::env::var_os("TALLOC_FUZZ_TRACE").is_some() }
    }

    /// Records a call that is about to be made.
    pub fn begin(&mut self, call: Call) {
        if self.live {
            eprintln!("{call}");
        }
        self.calls.push((call, Outcome::Pending));
    }

    /// Records the result of the last call.
    pub fn end(&mut self, outcome: Outcome) {
        if let Some((_, pending)) = self.calls.last_mut() {
            *pending = outcome;
        }
    }

    /// Records an action of the source during the previous call.
    pub fn note(&mut self, call: Call) {
        self.calls.push((call, Outcome::Done));
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (call, outcome) in &self.calls {
            writeln!(f, "    {call}{outcome}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Malloc { id, layout, fresh } => {
                let (size, align) = (layout.size(), layout.align());
                let suffix = match fresh {
                    Fresh::Any => "",
                    Fresh::Zeroed => "_zeroed",
                    Fresh::Dirty => "_dirty",
                };
                write!(f, "let b{id} = heap.malloc{suffix}({size}, {align});")
            }
            Self::Free { id } => write!(f, "heap.free(b{id});"),
            Self::Grow { id, size } => write!(f, "let b{id} = heap.grow(b{id}, {size});"),
            Self::GrowInPlace { id, size } => write!(f, "heap.grow_in_place(b{id}, {size});"),
            Self::Realloc { id, size } => write!(f, "let b{id} = heap.realloc(b{id}, {size});"),
            Self::Shrink { id, size } => write!(f, "heap.shrink(b{id}, {size});"),
            Self::Init(arena) => write!(f, "heap.arenas_mut().try_init({arena});"),
            Self::Extend(arena) => write!(f, "heap.arenas_mut().try_extend({arena});"),
            Self::Truncate(arena) => write!(f, "heap.arenas_mut().try_truncate({arena});"),
            Self::Claim(arena, memory) => {
                write!(f, "heap.arenas_mut().claim_as({arena}, {memory:?});")
            }
            Self::ExtendArena(old, new, memory) => {
                write!(f, "heap.arena({old})?.extend({new}, {memory:?});")
            }
            Self::RaiseArena(old, new, memory) => {
                write!(f, "heap.arena({old})?.raise({new}.size() - {old}.size(), {memory:?});")
            }
            Self::TruncateArena(old, new) => write!(f, "heap.arena({old})?.truncate({new});"),
            Self::Release(arena) => write!(f, "heap.arena({arena})?.release();"),
            Self::Merge(lower, upper) => write!(f, "heap.arena({lower})?.merge({upper});"),
            Self::AllocatedSpanOf(arena) => write!(f, "heap.arena({arena})?.allocated_span();"),
            Self::Flush => write!(f, "heap.flush();"),
            Self::Move => write!(f, "let heap = heap.mov(elsewhere);"),
            Self::Discard { unit, least, zeroed } => {
                let left = if zeroed { "zeros" } else { "anything" };
                write!(f, "heap.arenas_mut().discard({unit}, {least}, |piece| {left});")
            }
            Self::SourceFreed { id } => write!(f, "// ... the source freed b{id}"),
            Self::SourceReshaped(old, new) => write!(f, "// ... the source made {old} {new}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => write!(f, " // has not returned"),
            Self::Done => Ok(()),
            Self::At(offset) => write!(f, " // pool[{offset:#x}]"),
            Self::Refused => write!(f, " // refused"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool[{:#x}..{:#x}]", self.0, self.1)
    }
}
