//! The classes of faults.

/// A class of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the table below describes each")]
pub enum Class {
    DoubleFree,
    DelayedDoubleFree,
    FreeAfterReuse,
    InteriorFree,
    UnalignedFree,
    StackFree,
    StaticFree,
    OtherHeapFree,
    OwnMemoryFree,
    WildFree,
    WrongSize,
    WrongSizeResize,
    WrongAlign,
    Overflow,
    Underflow,
    WriteAfterFree,
    FreeLink,
    FreeSize,
    Bitmap,
    BinHead,
    QuickHead,
    QuickLink,
    Control,
    Extreme,
    Starvation,
    LyingSource,
    PanickingSource,
    PanickingHandler,
    Management,
    ReadAfterFree,
    Uninitialised,
}

/// How the faults of a class are planted, and how a heap can react.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A wrong call, or a write to memory that the program does not own.
    Error,
    /// A call that must be refused, or an event that a heap must survive.
    Refusal,
    /// A read of memory that the program does not own. The heap may not be able to notice it.
    Exposure,
}

impl Class {
    /// Every class, with its number in the list of requirements, its name and its description.
    const TABLE: [(Self, &'static str, &'static str, &'static str); 31] = [
        (Self::DoubleFree, "1", "double-free", "free twice, one directly after the other"),
        (
            Self::DelayedDoubleFree,
            "2",
            "delayed-double-free",
            "free twice, other calls between, memory not reused",
        ),
        (
            Self::FreeAfterReuse,
            "3",
            "free-after-reuse",
            "free twice, the block's size allocated between",
        ),
        (Self::InteriorFree, "4", "interior-free", "free a granule within a block"),
        (Self::UnalignedFree, "4", "unaligned-free", "free an address within a granule"),
        (Self::StackFree, "5", "stack-free", "free memory of the stack"),
        (Self::StaticFree, "5", "static-free", "free a static"),
        (Self::OtherHeapFree, "5", "other-heap-free", "free a block of another heap"),
        (Self::OwnMemoryFree, "5", "own-memory-free", "free the heap's bitmap"),
        (Self::WildFree, "5", "wild-free", "free near an arena's ends, or any address"),
        (Self::WrongSize, "6", "wrong-size", "free with another size"),
        (
            Self::WrongSizeResize,
            "6",
            "wrong-size-resize",
            "grow, shrink or reallocate with another size",
        ),
        (
            Self::WrongAlign,
            "7",
            "wrong-align",
            "free or grow with an alignment that the block does not have",
        ),
        (Self::Overflow, "8", "overflow", "write 1 to 64 bytes beyond the end"),
        (Self::Underflow, "9", "underflow", "write 1 to 64 bytes before the start"),
        (
            Self::WriteAfterFree,
            "10",
            "write-after-free",
            "write to a freed block, memory not reused",
        ),
        (Self::FreeLink, "11", "free-link", "damage a link of a free chunk"),
        (Self::FreeSize, "11", "free-size", "damage a size of a free chunk"),
        (Self::Bitmap, "11", "bitmap", "flip a bit of the bitmap"),
        (Self::BinHead, "11", "bin-head", "damage a bin's head"),
        (Self::QuickHead, "11", "quick-head", "damage a quick list's head"),
        (Self::QuickLink, "11", "quick-link", "damage a link of a quick list"),
        (Self::Control, "11", "control", "damage any byte of the control structure"),
        (Self::Extreme, "12", "extreme", "ask for an extreme size or alignment"),
        (Self::Starvation, "13", "starvation", "run out of memory, again and again"),
        (Self::LyingSource, "13", "lying-source", "a source that lies"),
        (Self::PanickingSource, "14", "panicking-source", "a source that panics"),
        (
            Self::PanickingHandler,
            "14",
            "panicking-handler",
            "a handler that panics at a double free",
        ),
        (
            Self::Management,
            "15",
            "management",
            "claim, extend, truncate, release or merge a wrong span",
        ),
        (Self::ReadAfterFree, "R", "read-after-free", "read a freed block, memory not reused"),
        (Self::Uninitialised, "U", "uninitialised", "read a new block before writing to it"),
    ];

    /// Returns every class.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.iter().map(|row| row.0)
    }

    /// Returns the class with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.2 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str) {
        &Self::TABLE[self as usize]
    }

    /// Returns the number in the list of requirements.
    #[must_use]
    pub fn number(self) -> &'static str {
        self.row().1
    }

    /// Returns the name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Returns a description of the fault.
    #[must_use]
    pub fn description(self) -> &'static str {
        self.row().3
    }

    /// Returns the family of the class.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::Extreme
            | Self::Starvation
            | Self::LyingSource
            | Self::PanickingSource
            | Self::Management => Family::Refusal,
            Self::ReadAfterFree | Self::Uninitialised => Family::Exposure,
            _ => Family::Error,
        }
    }

    /// Returns whether the outcomes are tabulated by the number of bytes written.
    #[must_use]
    pub fn has_sizes(self) -> bool {
        matches!(self, Self::Overflow | Self::Underflow | Self::WriteAfterFree)
    }

    /// Returns whether the outcomes are tabulated by the number of calls between the free and the fault.
    #[must_use]
    pub fn has_distances(self) -> bool {
        matches!(self, Self::FreeAfterReuse | Self::WriteAfterFree | Self::ReadAfterFree)
    }
}
