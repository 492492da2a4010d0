//! The tags in reports.

use std::fmt;

use crate::report::Fault;

/// The tags of a pointer and of the memory that it points to, from 0 to 15. See [`Tagged`](crate::Tagged).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tags {
    /// The tag of the pointer: 0 if the allocator did not return it.
    pub pointer: u8,
    /// The tag of the memory: 0 if there is no block.
    pub memory: u8,
}

impl Tags {
    /// Writes the kind of error and the tags.
    pub(crate) fn fault(self, fault: Fault, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match fault {
            Fault::UseAfterFree => "use after free, or outside of the pointer's block",
            Fault::Overflow => "overflow, right behind memory with the pointer's tag",
            Fault::Underflow => "underflow, right before memory with the pointer's tag",
            Fault::AlreadyFree => "already free",
            Fault::NotABlock => "not a block's start",
            Fault::WrongSize => "wrong size, or not a block's start",
            _ => "not a block",
        };
        write!(f, "{fault}, {self}")
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, memory } = self;
        write!(f, "the pointer has tag {pointer}, and the memory tag {memory}")
    }
}
