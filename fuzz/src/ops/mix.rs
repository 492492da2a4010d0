//! The frequencies of operations.

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Malloc,
    MallocZeroed,
    MallocDirty,
    Fill,
    Free,
    Drain,
    Grow,
    GrowInPlace,
    Shrink,
    Unmet,
    GrowUnmet,
    Init,
    Extend,
    Truncate,
    Tighten,
    Claim,
    ExtendArena,
    TruncateArena,
    Release,
    Merge,
    Refused,
    Flush,
    Move,
    Discard,
}

/// The frequencies of operations in a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Mostly allocating and freeing.
    Heap,
    /// Arenas are claimed, released, extended and truncated.
    Arenas,
    /// Blocks grow and shrink.
    Realloc,
    /// Many requests fail, so the source is called.
    Sources,
}

impl Mix {
    /// All mixes.
    pub const ALL: [Self; 4] = [Self::Heap, Self::Arenas, Self::Realloc, Self::Sources];

    /// Returns the name of the fuzz target, and of its folder in the corpus.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Arenas => "arenas",
            Self::Realloc => "realloc",
            Self::Sources => "sources",
        }
    }

    /// Returns the mix with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mix| mix.name() == name)
    }

    /// Returns how many of 256 operations are of which kind.
    #[rustfmt::skip]
    const fn weights(self) -> &'static [(Code, usize)] {
        use Code::*;
        match self {
            Self::Heap => &[
                (Malloc, 88), (MallocZeroed, 6), (MallocDirty, 2), (Fill, 4), (Free, 84), (Drain, 2), (Grow, 12), (GrowInPlace, 8),
                (Shrink, 10), (Discard, 2), (Unmet, 4), (GrowUnmet, 2), (Init, 1), (Extend, 4), (Truncate, 3),
                (Tighten, 2), (Claim, 3), (ExtendArena, 3), (TruncateArena, 3), (Release, 2),
                (Refused, 2), (Flush, 4), (Move, 2), (Merge, 3),
            ],
            Self::Arenas => &[
                (Malloc, 42), (MallocZeroed, 10), (MallocDirty, 4), (Fill, 6), (Free, 44), (Drain, 6), (Grow, 4), (GrowInPlace, 4),
                (Shrink, 4), (Unmet, 1), (GrowUnmet, 1), (Init, 4), (Extend, 24), (Truncate, 16),
                (Tighten, 12), (Claim, 14), (ExtendArena, 18), (TruncateArena, 12), (Release, 6),
                (Refused, 8), (Flush, 3), (Move, 2), (Discard, 4), (Merge, 7),
            ],
            Self::Realloc => &[
                (Malloc, 44), (MallocZeroed, 3), (MallocDirty, 1), (Fill, 2), (Free, 36), (Drain, 2), (Grow, 54), (GrowInPlace, 44),
                (Shrink, 49), (Discard, 1), (Unmet, 1), (GrowUnmet, 5), (Init, 1), (Extend, 2), (Truncate, 1),
                (Tighten, 1), (Claim, 2), (ExtendArena, 1), (TruncateArena, 1), (Release, 1),
                (Refused, 1), (Flush, 1), (Move, 1), (Merge, 1),
            ],
            Self::Sources => &[
                (Malloc, 72), (MallocZeroed, 6), (MallocDirty, 2), (Fill, 30), (Free, 36), (Drain, 10), (Grow, 34), (GrowInPlace, 4),
                (Shrink, 10), (Discard, 2), (Unmet, 8), (GrowUnmet, 6), (Init, 3), (Extend, 3), (Truncate, 4),
                (Tighten, 6), (Claim, 2), (ExtendArena, 2), (TruncateArena, 4), (Release, 4),
                (Refused, 2), (Flush, 2), (Move, 1), (Merge, 3),
            ],
        }
    }

    /// Returns the kind that a byte stands for.
    pub(super) fn code(self, byte: usize) -> Code {
        let mut below = byte;
        for &(code, weight) in self.weights() {
            match below.checked_sub(weight) {
                None => return code,
                Some(rest) => below = rest,
            }
        }
        unreachable!("the weights add up to 256")
    }
}

/// Checks that every byte stands for a kind.
const _: () = {
    let mut mix = 0;
    while mix < Mix::ALL.len() {
        let weights = Mix::ALL[mix].weights();
        let (mut at, mut sum) = (0, 0);
        while at < weights.len() {
            sum += weights[at].1;
            at += 1;
        }
        assert!(sum == 256, "the weights of a mix must add up to 256");
        mix += 1;
    }
};
