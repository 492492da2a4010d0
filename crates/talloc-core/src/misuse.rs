//! Misuses that a checked heap reports.

use core::alloc::Layout;
use core::error::Error;

use talloc_span::Span;

/// A wrong call of a [`Checked`](crate::Checked) heap: what was passed, and what the heap knows about it.
///
/// The heap reports it before anything has changed. Addresses are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misuse {
    /// What was called.
    pub call: Call,
    /// The address that was passed as a block's.
    pub addr: usize,
    /// The layout that was passed as the block's.
    pub layout: Layout,
    /// What is wrong.
    pub fault: Fault,
}

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// The block was to be freed.
    Free,
    /// The block was to be made larger.
    Grow {
        /// The size that it should have.
        new_size: usize,
    },
    /// The block was to be made smaller.
    Shrink {
        /// The size that it should have.
        new_size: usize,
    },
    /// The block was to be checked, by [`Inspect::check`](crate::Inspect::check).
    Check,
    /// Free memory was to be used. The address is that of the block or of the chunk.
    Use,
}

impl Call {
    /// The call that changes a block from `old_size` bytes to `new_size`.
    #[inline(always)]
    pub(crate) fn resize(old_size: usize, new_size: usize) -> Self {
        if new_size >= old_size { Self::Grow { new_size } } else { Self::Shrink { new_size } }
    }
}

/// What is wrong with a call, and what the heap knows about the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The address is in none of the heap's arenas.
    Foreign,
    /// The address is in an arena's own bitmap or control block.
    Own {
        /// The bitmap and the control block.
        chunk: Span,
    },
    /// The address is within an allocated block, but not its start.
    NotABlock {
        /// The block.
        block: Span,
    },
    /// The address is in free memory. The block has already been freed, or there never was one.
    AlreadyFree {
        /// The free chunk or the cached block.
        chunk: Span,
    },
    /// The block has another size than was passed.
    ///
    /// Sizes for which a block takes the same number of bytes are not distinguished.
    WrongSize {
        /// All bytes that the block takes.
        block: Span,
    },
    /// The block does not have the alignment that was passed.
    WrongAlign {
        /// The block.
        block: Span,
    },
    /// A block cannot grow to a smaller size, nor shrink to a larger one.
    WrongNewSize,
    /// The bytes behind the block's end have changed, or the block has another size than was passed.
    Overflow {
        /// All bytes that the block takes.
        block: Span,
    },
    /// The bytes before the block have changed. They are the canary of the block below, or that of the arena's own
    /// structures.
    Underflow {
        /// All bytes that the block takes.
        block: Span,
    },
    /// The block was written to after it had been freed.
    WrittenAfterFree {
        /// All bytes that the block takes.
        block: Span,
    },
    /// The heap's structures are broken around the address. [`verify`](crate::Talloc::verify) may say how.
    Broken,
}

impl Call {
    /// The fault that can be seen from the call alone, if there is one.
    #[inline(always)]
    pub(crate) fn fault(self, layout: Layout) -> Option<Fault> {
        let wrong = match self {
            Self::Grow { new_size } => new_size < layout.size(),
            Self::Shrink { new_size } => new_size > layout.size(),
            Self::Free | Self::Check | Self::Use => false,
        };
        wrong.then_some(Fault::WrongNewSize)
    }
}

/// What was called; see `printed.rs`.
macro_rules! call {
    ($call:expr, $say:ident, $f:ident) => {
        match $call {
            Self::Free => $say!($f, "freeing"),
            Self::Grow { new_size } => $say!($f, "growing to {} bytes", new_size),
            Self::Shrink { new_size } => $say!($f, "shrinking to {} bytes", new_size),
            Self::Check => $say!($f, "checking"),
            Self::Use => $say!($f, "using"),
        }
    };
}

printed!(Call, call);

/// What was wrong; see `printed.rs`.
macro_rules! fault {
    ($fault:expr, $say:ident, $f:ident) => {
        match $fault {
            Self::Foreign => $say!($f, "foreign pointer, it is in no arena of the heap"),
            Self::Own { chunk } => {
                $say!($f, "not a block, it is in the heap's own memory {}", chunk)
            }
            Self::NotABlock { block } => {
                $say!($f, "not a block's start, it is in the block {}", block)
            }
            Self::AlreadyFree { chunk } => $say!($f, "already free, it is in the chunk {}", chunk),
            Self::WrongSize { block } => {
                $say!($f, "wrong size, the block has {} bytes", block.size())
            }
            Self::WrongAlign { block } => $say!($f, "wrong alignment, the block is {}", block),
            Self::WrongNewSize => $say!($f, "wrong new size"),
            Self::Overflow { block } => {
                $say!($f, "overwritten behind its end, or of another size, the block is {}", block)
            }
            Self::Underflow { block } => {
                $say!($f, "overwritten before its start, the block is {}", block)
            }
            Self::WrittenAfterFree { block } => {
                $say!($f, "written to after it was freed, the block is {}", block)
            }
            Self::Broken => $say!($f, "the heap is broken there"),
        }
    };
}

printed!(Fault, fault);

/// What was called with what, and what was wrong with that; see `printed.rs`.
macro_rules! misuse {
    ($misuse:expr, $say:ident, $f:ident) => {{
        let Misuse { call, addr, layout, fault } = $misuse;
        let (size, align) = (layout.size(), layout.align());
        $say!(
            $f,
            "{} a block of {} bytes aligned to {} at {:#x}: {}",
            call,
            size,
            align,
            addr,
            fault
        )
    }};
}

printed!(Misuse, misuse);

impl Error for Misuse {}

/// Handles the [`Misuse`] of a [`Checked`](crate::Checked) heap.
///
/// The handler is called before anything has changed, and is safe to implement: it may panic, or use the heap through
/// its lock. If it returns, the call has no effect, and a call that changes a size fails. What a hardened heap finds in
/// its memory in the middle of a call is reported when the call has ended, with its effect. For a heap behind a lock or
/// in a cell, the handler is called after the heap has been released. The methods of `GlobalAlloc` must not unwind, so
/// a panic there aborts the program.
///
/// # Examples
///
/// ```
/// use core::alloc::Layout;
/// use core::sync::atomic::{AtomicUsize, Ordering};
/// use talloc_core::{Checked, Compact, Misuse, OnMisuse, Span, Talloc};
///
/// static FOUND: AtomicUsize = AtomicUsize::new(0);
///
/// /// Counts.
/// struct Count;
///
/// impl OnMisuse for Count {
///     fn misuse(misuse: &Misuse) {
///         FOUND.fetch_add(1, Ordering::Relaxed);
///         println!("{misuse}");
///     }
/// }
///
/// let mut memory = [0_u8; 10_000];
/// let mut heap = Talloc::<Checked<Compact, Count>>::with_config();
/// let layout = Layout::new::<[u64; 5]>();
/// // SAFETY: The memory is the heap's until neither is used any more.
/// unsafe {
///     heap.init(Span::from(&mut memory));
///     let block = heap.malloc(layout)?;
///     heap.free(block, Layout::new::<[u64; 6]>());
///     heap.free(block, layout);
///     heap.free(block, layout);
/// }
/// assert_eq!(FOUND.load(Ordering::Relaxed), 2);
/// # Ok::<(), talloc_core::AllocError>(())
/// ```
pub trait OnMisuse: 'static {
    /// Whether a heap whose structures were found broken is repaired and used further.
    ///
    /// If not, it fails all requests from then on, and ignores blocks that are freed. The marks of blocks and free
    /// chunks lie apart from the memory that a program writes to. If they are in order, the heap can be repaired: its
    /// bins are built again from the marks, and it takes time in proportion to its size. The memory of which the marks
    /// say nothing is lost. If the marks are not in order, the heap is not used further.
    const REPAIRS: bool = false;

    /// Handles a misuse.
    fn misuse(misuse: &Misuse);
}

/// Panics with a message that says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Panics;

impl OnMisuse for Panics {
    #[track_caller]
    fn misuse(misuse: &Misuse) {
        panic!("{misuse}");
    }
}
