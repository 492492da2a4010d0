//! Errors.

use core::error::Error;

/// Memory for an allocation could not be found.
///
/// Nothing has changed: blocks stay as they were, and smaller requests may still succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AllocError;

/// See `printed.rs`.
macro_rules! alloc_error {
    ($error:expr, $say:ident, $f:ident) => {
        $say!($f, "memory allocation failed")
    };
}

printed!(AllocError, alloc_error);

impl Error for AllocError {}

/// Why an arena could not be claimed or changed.
///
/// The heap is as it was before the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ArenaError {
    /// The span contains the null address.
    Null,
    /// The span is too small to hold a further arena's control block and one allocation.
    TooSmall,
    /// The links of free chunks do not reach across the span: see [`Index`](crate::Index).
    TooFar,
    /// The span overlaps another arena of the heap.
    Overlap,
    /// The heap may have only one arena: see [`Config::SINGLE_ARENA`](crate::Config::SINGLE_ARENA).
    SecondArena,
    /// Memory could not be committed.
    NoMemory,
    /// No arena of the heap has this span.
    NoSuchArena,
    /// An arena can only be extended to a span that contains it.
    NotExtended,
    /// An arena can only be truncated to a span that it contains.
    NotTruncated,
    /// Two arenas can only be merged if the second begins where the first ends.
    NotAdjacent,
    /// Two arenas can only be merged if they are of the same [kind](crate::Kind) of memory.
    OtherKind,
    /// Blocks are allocated outside of the span, or the span has no room for the arena's bitmap: it does not contain
    /// [`get_allocated_span`](crate::Talloc::get_allocated_span).
    InUse,
    /// A hardened heap has found its structures broken.
    Broken,
}

/// What was wrong; see `printed.rs`.
macro_rules! arena_error {
    ($error:expr, $say:ident, $f:ident) => {
        match $error {
            Self::Null => $say!($f, "the arena contains the null address"),
            Self::NoMemory => $say!($f, "there is no memory for the arena"),
            Self::TooSmall => {
                $say!($f, "the arena is too small for its control block and an allocation")
            }
            Self::TooFar => $say!($f, "the arena reaches further than the heap's links do"),
            Self::Overlap => $say!($f, "the arena overlaps another one of the heap"),
            Self::SecondArena => $say!($f, "the heap may have one arena only"),
            Self::NoSuchArena => $say!($f, "the heap has no arena of that span"),
            Self::NotExtended => $say!($f, "the new arena does not contain the old one"),
            Self::NotTruncated => $say!($f, "the old arena does not contain the new one"),
            Self::NotAdjacent => {
                $say!($f, "the second arena does not begin where the first one ends")
            }
            Self::OtherKind => $say!($f, "the arenas are of different kinds of memory"),
            Self::InUse => $say!($f, "the new arena does not contain the allocated span"),
            Self::Broken => $say!($f, "the heap's structures are broken"),
        }
    };
}

impl ArenaError {
    /// What was wrong, without allocating.
    pub(crate) const fn message(self) -> &'static str {
        macro_rules! text {
            ($f:ident, $text:literal) => {
                $text
            };
        }
        arena_error!(self, text, nowhere)
    }
}

printed!(ArenaError, arena_error);

impl Error for ArenaError {}
