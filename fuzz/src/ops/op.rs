//! Operations.

use talloc_core::Memory;

use super::cursor::Cursor;
use super::mix::{Code, Mix};
use super::setup::Setup;

/// Selects one of several items, as a fraction of 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick(pub u8);

impl Pick {
    /// Returns the index of one of `len` items, or `None` if there are none.
    pub fn of(self, len: usize) -> Option<usize> {
        (len > 0).then(|| usize::from(self.0) * len / 256)
    }
}

/// How to truncate an arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// By these numbers of bytes at each end, which may be too large.
    By { low: usize, high: usize },
    /// As far as possible, less these numbers of bytes at each end.
    Tight { low: usize, high: usize },
}

/// A fault of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The heap is initialised with a span that contains the null address.
    InitNull,
    /// A span that contains the null address is claimed.
    ClaimNull,
    /// A part of an arena is claimed.
    ClaimPart,
    /// A span that starts in an arena is claimed.
    ClaimOverlap,
    /// A span beyond the reach of links is claimed.
    ClaimFar,
    /// A second arena without room for a control block is claimed.
    ClaimTiny,
    /// The first arena is extended over another one.
    ExtendOverlap,
    /// The first arena is extended down to the null address.
    ExtendNull,
    /// The first arena is extended beyond the reach of links.
    ExtendFar,
    /// The first arena is extended to a smaller span.
    ExtendToLess,
    /// The first arena is truncated to a larger span.
    TruncateToMore,
    /// An arena is extended to a smaller span.
    ExtendArenaToLess,
    /// An arena is extended over another one.
    ExtendArenaOverlap,
    /// An arena is truncated to a larger span.
    TruncateArenaToMore,
    /// A span that is not an arena is extended.
    ExtendNoArena,
    /// A span that is not an arena is truncated.
    TruncateNoArena,
    /// A span that is not an arena is released.
    ReleaseNoArena,
    /// An arena is merged with a span that is not an arena.
    MergeNoArena,
    /// An arena is merged with the lowest one, possibly itself.
    MergeDown,
}

impl Wrong {
    /// All faults.
    pub const ALL: [Self; 19] = [
        Self::InitNull,
        Self::ClaimNull,
        Self::ClaimPart,
        Self::ClaimOverlap,
        Self::ClaimFar,
        Self::ClaimTiny,
        Self::ExtendOverlap,
        Self::ExtendNull,
        Self::ExtendFar,
        Self::ExtendToLess,
        Self::TruncateToMore,
        Self::ExtendArenaToLess,
        Self::ExtendArenaOverlap,
        Self::TruncateArenaToMore,
        Self::ExtendNoArena,
        Self::TruncateNoArena,
        Self::ReleaseNoArena,
        Self::MergeNoArena,
        Self::MergeDown,
    ];
}

/// An operation. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[rustfmt::skip]
pub enum Op {
    Malloc { size: usize, align: usize },
    MallocZeroed { size: usize, align: usize },
    /// Allocates a block of zeros, except for a number of leading bytes that the heap returns.
    MallocDirty { size: usize, align: usize },
    /// Allocates up to `count` equal blocks, until a request fails.
    Fill { size: usize, align: usize, count: usize },
    Free { pick: Pick },
    /// Frees every `stride`th block.
    Drain { stride: usize },
    Grow { pick: Pick, more: usize },
    GrowInPlace { pick: Pick, more: usize },
    /// Shrinks by `less` bytes, modulo the size plus one.
    Shrink { pick: Pick, less: usize },
    /// A request that must fail.
    Unmet { size: usize, align: usize },
    /// A growth that must fail.
    GrowUnmet { pick: Pick, size: usize },
    Init { at: Pick, size: usize },
    Extend { low: usize, high: usize },
    Truncate { cut: Cut },
    Claim { gap: Pick, at: Pick, size: usize, memory: Memory },
    ExtendArena { pick: Pick, low: usize, high: usize, memory: Memory },
    TruncateArena { pick: Pick, low: usize, high: usize },
    Release { pick: Pick },
    /// Merges an arena with the next one above. If `extend`, first extends it up to that one.
    Merge { pick: Pick, extend: bool },
    /// A span that the heap must refuse, with this fault.
    Refused { wrong: Wrong, pick: Pick, size: usize },
    Flush,
    Move,
    /// Discards free memory in pieces of at least `least` bytes and in multiples of `unit`. Leaves zeros there if
    /// `zeroed`.
    Discard { unit: usize, least: usize, zeroed: bool },
}

impl Op {
    /// Decodes one operation.
    pub(super) fn decode(mix: Mix, setup: &Setup, cursor: &mut Cursor) -> Self {
        let code = mix.code(cursor.byte());
        let (size, align) = (Cursor::size, Cursor::align);
        match code {
            Code::Malloc => Self::Malloc { size: size(cursor), align: align(cursor) },
            Code::MallocZeroed => Self::MallocZeroed { size: size(cursor), align: align(cursor) },
            Code::MallocDirty => Self::MallocDirty { size: size(cursor), align: align(cursor) },
            Code::Fill => {
                let count = 1 + cursor.byte() % 32;
                Self::Fill { size: size(cursor), align: align(cursor), count }
            }
            Code::Free => Self::Free { pick: pick(cursor) },
            Code::Drain => Self::Drain { stride: 1 + cursor.byte() % 8 },
            Code::Grow => Self::Grow { pick: pick(cursor), more: size(cursor) },
            Code::GrowInPlace => Self::GrowInPlace { pick: pick(cursor), more: size(cursor) },
            Code::Shrink => Self::Shrink { pick: pick(cursor), less: size(cursor) },
            Code::Unmet => Self::Unmet { size: cursor.huge_size(), align: cursor.huge_align() },
            Code::GrowUnmet => Self::GrowUnmet { pick: pick(cursor), size: cursor.huge_size() },
            Code::Flush => Self::Flush,
            Code::Move => Self::Move,
            Code::Discard => {
                let how = cursor.byte();
                Self::Discard {
                    unit: 1 << (how / 2 % 13),
                    least: size(cursor),
                    zeroed: how % 2 == 1,
                }
            }
            _ => Self::decode_arena(code, setup, cursor),
        }
    }

    /// Decodes an operation on an arena.
    fn decode_arena(code: Code, setup: &Setup, cursor: &mut Cursor) -> Self {
        match code {
            Code::Init => Self::Init { at: pick(cursor), size: cursor.arena_size(setup.size) },
            Code::Claim => {
                let (gap, at) = (pick(cursor), pick(cursor));
                Self::Claim { gap, at, size: cursor.arena_size(setup.size), memory: memory(at) }
            }
            Code::Release => Self::Release { pick: pick(cursor) },
            Code::Merge => {
                let pick = pick(cursor);
                Self::Merge { pick, extend: pick.0 % 4 != 3 }
            }
            Code::Refused => {
                let wrong = Wrong::ALL[cursor.byte() % Wrong::ALL.len()];
                Self::Refused { wrong, pick: pick(cursor), size: 1 + cursor.size() }
            }
            _ => {
                let (low, high) = (cursor.step(), cursor.step());
                Self::decode_reshape(code, low, high, cursor)
            }
        }
    }

    /// Decodes an operation that changes both ends of an arena.
    fn decode_reshape(code: Code, low: usize, high: usize, cursor: &mut Cursor) -> Self {
        match code {
            Code::ExtendArena => {
                let pick = pick(cursor);
                Self::ExtendArena { pick, low, high, memory: memory(pick) }
            }
            Code::TruncateArena => Self::TruncateArena { pick: pick(cursor), low, high },
            Code::Truncate => Self::Truncate { cut: Cut::By { low, high } },
            Code::Tighten => Self::Truncate { cut: Cut::Tight { low, high } },
            _ => Self::Extend { low, high },
        }
    }
}

fn pick(cursor: &mut Cursor) -> Pick {
    Pick(cursor.byte() as u8)
}

/// Returns properties of memory, from a number that is also used for other things.
fn memory(pick: Pick) -> Memory {
    Memory::from_bits_truncate(pick.0)
}
