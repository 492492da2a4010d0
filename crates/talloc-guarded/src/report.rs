//! What is reported.

use std::alloc::Layout;
use std::fmt;
use std::num::NonZeroU64;

use crate::sys;
use crate::tags::Tags;

/// The most frames of a call stack that are kept, the innermost.
pub const FRAMES: usize = 48;

/// A memory error: what was done, what is wrong with that, and what is known about the block.
///
/// It prints as one line, without the call stacks. Addresses are in bytes.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Report {
    /// What was done.
    pub action: Action,
    /// The address that was accessed, or passed as a block's.
    pub addr: usize,
    /// What is wrong.
    pub fault: Fault,
    /// The guarded block that the fault is about, if there is one.
    pub block: Option<Block>,
    /// The tags that were compared, if the fault is one that a [`Tagged`](crate::Tagged) allocator has found.
    pub tags: Option<Tags>,
    /// Who did it.
    pub caller: CallStack,
    /// Who allocated the block.
    pub allocated: Option<CallStack>,
    /// Who freed the block, if it has been freed.
    pub freed: Option<CallStack>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// A read.
    Read,
    /// A write.
    Write,
    /// A read or a write: the system does not say which.
    Access,
    /// The block was to be freed.
    Free {
        /// The layout that was passed as the block's. It has no bytes if the caller did not know one.
        layout: Layout,
    },
    /// The block was to be reallocated.
    Resize {
        /// The layout that was passed as the block's. It has no bytes if the caller did not know one.
        layout: Layout,
        /// The size that it should have.
        new_size: usize,
    },
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The block had been freed when it was accessed.
    UseAfterFree,
    /// The access was beyond the end of the block.
    Overflow,
    /// The access was before the start of the block.
    Underflow,
    /// The address that was passed is between blocks. With [tags](Report::tags): the pointer is not that of a block
    /// there.
    Foreign,
    /// The address that was passed is within an allocated block, but not its start.
    NotABlock,
    /// The block had already been freed.
    AlreadyFree,
    /// The block has another size than was passed.
    WrongSize,
    /// The block was allocated with another alignment than was passed.
    WrongAlign,
    /// A byte beside the block had been overwritten by the time that the block was freed.
    Damaged {
        /// The address of the byte.
        at: usize,
    },
}

/// A block, live or freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The address of its first byte.
    pub addr: usize,
    /// The layout with which it was allocated.
    pub layout: Layout,
}

impl Block {
    /// How far outside of the block an address is; 0 within it.
    pub(crate) fn distance(&self, addr: usize) -> usize {
        match self.position(addr) {
            Position::Within { .. } => 0,
            Position::Beyond { byte } | Position::Before { byte } => byte,
        }
    }

    pub(crate) fn position(&self, addr: usize) -> Position {
        let Self { addr: start, layout } = *self;
        if addr < start {
            Position::Before { byte: start - addr }
        } else if addr - start < layout.size() {
            Position::Within { byte: addr - start }
        } else {
            Position::Beyond { byte: addr - start - layout.size() + 1 }
        }
    }
}

/// Where an address is as seen from a block. Bytes outside of it are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    Before { byte: usize },
    Within { byte: usize },
    Beyond { byte: usize },
}

/// The return addresses of the callers of a function, and their thread.
#[derive(Clone, Copy)]
pub struct CallStack {
    thread: u64,
    depth: usize,
    frames: [u64; FRAMES],
}

impl CallStack {
    pub(crate) const EMPTY: Self = Self { thread: 0, depth: 0, frames: [0; FRAMES] };

    pub(crate) fn new(thread: u64, frames: [u64; FRAMES], depth: usize) -> Self {
        Self { thread, depth: depth.min(FRAMES), frames }
    }

    /// That of the caller.
    pub(crate) fn capture() -> Self {
        let mut stack = Self::EMPTY;
        stack.thread = sys::thread();
        stack.depth = talloc_sampling::call_stack(&mut stack.frames);
        stack
    }

    /// The addresses, innermost first. The first ones lie in the allocator.
    pub fn frames(&self) -> &[u64] {
        &self.frames[..self.depth]
    }

    /// The thread, by the system's number for it.
    pub fn thread_id(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.thread)
    }

    pub(crate) fn thread(&self) -> u64 {
        self.thread
    }
}

impl fmt::Debug for CallStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Frames<'a>(&'a [u64]);

        impl fmt::Debug for Frames<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0
                    .iter()
                    .fold(&mut f.debug_list(), |list, at| list.entry(&Address(*at)))
                    .finish()
            }
        }

        struct Address(u64);

        impl fmt::Debug for Address {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        f.debug_struct("CallStack")
            .field("thread", &self.thread)
            .field("frames", &Frames(self.frames()))
            .finish()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, addr, .. } = self;
        match action {
            Action::Read => write!(f, "reading at {addr:#x}: ")?,
            Action::Write => write!(f, "writing at {addr:#x}: ")?,
            Action::Access => write!(f, "accessing {addr:#x}: ")?,
            Action::Free { layout } => {
                write!(f, "freeing a {} at {addr:#x}: ", Bytes(*layout))?;
            }
            Action::Resize { layout, new_size } => {
                write!(f, "resizing to {new_size} bytes a {} at {addr:#x}: ", Bytes(*layout))?;
            }
        }
        match (self.block, self.tags) {
            (Some(block), _) => self.fault_about(block, f),
            (None, Some(tags)) => tags.fault(self.fault, f),
            (None, None) => f.write_str("not a block, there has never been one"),
        }
    }
}

impl Report {
    fn fault_about(&self, block: Block, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::UseAfterFree => {
                write!(f, "use after free, {} the freed {block}", block.position(self.addr))
            }
            Fault::Overflow => write!(f, "overflow, {} the {block}", block.position(self.addr)),
            Fault::Underflow => write!(f, "underflow, {} the {block}", block.position(self.addr)),
            Fault::Foreign => write!(f, "not a block, {} the {block}", block.position(self.addr)),
            Fault::NotABlock => {
                write!(f, "not a block's start, {} the {block}", block.position(self.addr))
            }
            Fault::AlreadyFree => write!(f, "already free, it was in the freed {block}"),
            Fault::WrongSize => {
                write!(f, "wrong size, the block has {} bytes", block.layout.size())
            }
            Fault::WrongAlign => {
                write!(f, "wrong alignment, the block is aligned to {}", block.layout.align())
            }
            Fault::Damaged { at } => {
                write!(f, "damaged, {} the {block} was overwritten", block.position(at))
            }
        }
    }
}

/// A block of some layout, as it is said in all messages. A layout of no bytes is none.
struct Bytes(Layout);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.size(), self.0.align()) {
            (0, _) => f.write_str("block"),
            (size, align) => write!(f, "block of {size} bytes aligned to {align}"),
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", Bytes(self.layout), self.addr)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before { byte } => write!(f, "byte {byte} before the start of"),
            Self::Within { byte } => write!(f, "byte {byte} of"),
            Self::Beyond { byte } => write!(f, "byte {byte} beyond the end of"),
        }
    }
}
