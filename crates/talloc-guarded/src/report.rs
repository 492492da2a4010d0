//! Reports of memory errors.

use std::alloc::Layout;
use std::fmt;
use std::num::NonZeroU64;

use crate::sys;
use crate::tags::Tags;

/// The most frames of a call stack. The innermost frames are kept.
pub const FRAMES: usize = 48;

/// A memory error: the action, the fault, and the block.
///
/// [`Display`](std::fmt::Display) prints one line, without the call stacks.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Report {
    /// The access or call with the error.
    pub action: Action,
    /// The address that was accessed, or that was passed as a block.
    pub addr: usize,
    /// The kind of error.
    pub fault: Fault,
    /// The guarded block that the error is about, if there is one.
    pub block: Option<Block>,
    /// The tags that were compared, if a [`Tagged`](crate::Tagged) allocator found the error.
    pub tags: Option<Tags>,
    /// The call stack of the error.
    pub caller: CallStack,
    /// The call stack of the block's allocation.
    pub allocated: Option<CallStack>,
    /// The call stack of the free, if the block has been freed.
    pub freed: Option<CallStack>,
}

/// An access or a call with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// A read.
    Read,
    /// A write.
    Write,
    /// A read or a write, on systems that do not say which.
    Access,
    /// A call to free the block.
    Free {
        /// The layout that was passed. Its size is 0 if the caller did not know the layout.
        layout: Layout,
    },
    /// A call to reallocate the block.
    Resize {
        /// The layout that was passed. Its size is 0 if the caller did not know the layout.
        layout: Layout,
        /// The requested size.
        new_size: usize,
    },
}

/// The kind of a memory error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The block had been freed when it was accessed.
    UseAfterFree,
    /// The access was beyond the end of the block.
    Overflow,
    /// The access was before the start of the block.
    Underflow,
    /// The address that was passed lies between blocks. With [tags](Report::tags): no block at the address has the
    /// pointer's tag.
    Foreign,
    /// The address that was passed lies within an allocated block, but is not its start.
    NotABlock,
    /// The block had already been freed.
    AlreadyFree,
    /// The size that was passed is not that of the block.
    WrongSize,
    /// The alignment that was passed is not that of the block.
    WrongAlign,
    /// When the block was freed or reallocated, a byte beside it had been overwritten.
    Damaged {
        /// The address of that byte.
        at: usize,
    },
}

/// A block, live or freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The address of the block's first byte.
    pub addr: usize,
    /// The layout with which the block was allocated.
    pub layout: Layout,
}

impl Block {
    /// Returns how many bytes an address is outside of the block; 0 within it.
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

/// The position of an address relative to a block. Bytes outside of the block are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    Before { byte: usize },
    Within { byte: usize },
    Beyond { byte: usize },
}

/// A call stack: the return addresses of the callers of a function, and their thread.
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

    /// Captures the call stack of the caller.
    pub(crate) fn capture() -> Self {
        let mut stack = Self::EMPTY;
        stack.thread = sys::thread();
        stack.depth = talloc_sampling::call_stack(&mut stack.frames);
        stack
    }

    /// Returns the return addresses, innermost first. The first ones lie in the allocator.
    pub fn frames(&self) -> &[u64] {
        &self.frames[..self.depth]
    }

    /// Returns the system's number for the thread.
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

/// Prints a block's layout, in the same words in all messages. Prints no layout if the size is 0.
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
