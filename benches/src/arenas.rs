//! The cost of operations in very many arenas, compared with a few arenas, and with one arena of the same total size.

use crate::heap::Memory;
use anyhow::{Context, Result};
use fastrand::Rng;
use std::{alloc::Layout, ptr::NonNull};
use talloc_count::Program;
use talloc_global::{
    Compact, OwnedTalloc, Span, Talloc,
    config::{Config, Micro, RealTime},
};

/// The bytes of each of many arenas. There are gaps between the arenas, and their bases are not aligned.
const ARENA: usize = 8 << 10;
const GAP: usize = 200;

/// The most bytes of one arena of a heap whose links have 16 bits.
const MICRO_ARENA: usize = 500 << 10;

/// The most bytes of a block.
const MAX_SIZE: usize = 512;

/// The operation that is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Frees a random block and allocates one of another size; three quarters of the memory are in use.
    Pair,
    /// Reallocates a random block; three quarters of the memory are in use.
    Realloc,
    /// Frees a random block and allocates one of the same size; all of the memory is in use.
    Full,
    /// Requests a block that fits in no arena; all of the memory is in use.
    Refused,
}

impl Case {
    /// All cases.
    pub const ALL: [Self; 4] = [Self::Pair, Self::Realloc, Self::Full, Self::Refused];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Realloc => "realloc",
            Self::Full => "full",
            Self::Refused => "refused",
        }
    }

    /// The case of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }

    fn is_full(self) -> bool {
        matches!(self, Self::Full | Self::Refused)
    }
}

/// The heaps that are compared.
pub const HEAPS: [&str; 3] = ["compact", "real-time", "micro"];

/// The name of the heap whose operations cost nothing.
const NOTHING: &str = "nothing";

/// A heap under test, or one that costs nothing.
trait Blocks {
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// # Safety
    /// The block is live and has this layout, and nobody uses it any more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);

    /// # Safety
    /// The block is live and has this layout. If this succeeds, nobody uses the old block any more.
    unsafe fn realloc(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>>;
}

impl<C: Config> Blocks for OwnedTalloc<C> {
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: the memory of the arenas is the heap's.
        unsafe { Talloc::malloc(self, layout) }.ok()
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller keeps to the same conditions.
        unsafe { Talloc::free(self, block, layout) }
    }

    unsafe fn realloc(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the caller keeps to the same conditions.
        unsafe { Talloc::realloc(self, block, layout, size) }.ok()
    }
}

/// A heap without memory, which counts the bytes that it may still hand out.
struct Nothing(usize);

impl Blocks for Nothing {
    fn malloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.0 = self.0.checked_sub(layout.size())?;
        Some(NonNull::dangling())
    }

    unsafe fn free(&mut self, _: NonNull<u8>, layout: Layout) {
        self.0 += layout.size();
    }

    unsafe fn realloc(&mut self, block: NonNull<u8>, _: Layout, _: usize) -> Option<NonNull<u8>> {
        Some(block)
    }
}

/// The number of arenas of a heap, and of operations.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// The number of arenas. A single arena has all of the memory.
    pub arenas: usize,
    /// The number of arenas that the memory suffices for.
    pub most: usize,
    /// The operation that is repeated.
    pub case: Case,
    /// The number of operations.
    pub ops: u64,
}

impl Run {
    /// Performs the operations.
    ///
    /// # Errors
    /// If there is no such heap, or it refuses an arena.
    pub fn on(&self, heap: &str) -> Result<()> {
        match heap {
            "compact" => self.on_talloc::<Compact>(usize::MAX),
            "real-time" => self.on_talloc::<RealTime>(usize::MAX),
            "micro" => self.on_talloc::<Micro>(MICRO_ARENA),
            NOTHING => {
                self.repeat(&mut Nothing(self.most * ARENA), self.most * ARENA);
                Ok(())
            }
            _ => anyhow::bail!("no such heap: {heap}"),
        }
    }

    fn on_talloc<C: Config>(&self, largest: usize) -> Result<()> {
        let mut memory = Memory::new(self.most * (ARENA + GAP));
        let whole = memory.first(usize::MAX);
        let whole = Span::from_ptr_size(whole.as_ptr().cast(), whole.len());
        let mut heap = Talloc::<C>::with_config();
        let size = if self.arenas == 1 { largest.min(self.most * ARENA) } else { ARENA };
        for arena in 0..self.arenas {
            let base = whole.base().context("no memory")? + arena * (ARENA + GAP);
            let (_, above) = whole.split_at(base);
            let arena = above.truncate(0, above.size() - size);
            // SAFETY: the memory is the heap's until both are dropped, and arenas are apart.
            unsafe { heap.claim(arena) }?;
        }
        self.repeat(&mut heap, self.arenas * size);
        Ok(())
    }

    fn repeat(&self, heap: &mut impl Blocks, bytes: usize) {
        let mut rng = Rng::with_seed(7);
        let layout = |size| Layout::from_size_align(size, 8).expect("sizes are small");
        let mut blocks = Vec::new();
        let mut left = if self.case.is_full() { usize::MAX } else { bytes / 4 * 3 };
        while left >= MAX_SIZE {
            let layout = layout(rng.usize(1..=MAX_SIZE));
            let Some(block) = heap.malloc(layout) else { break };
            blocks.push((block, layout));
            left -= layout.size();
        }
        while self.case.is_full() {
            let Some(block) = heap.malloc(layout(16)) else { break };
            blocks.push((block, layout(16)));
        }
        for _ in 0..self.ops {
            let number = rng.usize(..blocks.len());
            let size = rng.usize(1..=MAX_SIZE);
            let (block, old) = &mut blocks[number];
            let new = if self.case == Case::Full { *old } else { layout(size) };
            // SAFETY: each block is used with the layout that it has.
            unsafe {
                match self.case {
                    Case::Refused => assert!(heap.malloc(layout(2 * MAX_SIZE + size)).is_none()),
                    Case::Realloc => {
                        if let Some(moved) = heap.realloc(*block, *old, size) {
                            (*block, *old) = (moved, new);
                        }
                    }
                    Case::Pair | Case::Full => {
                        heap.free(*block, *old);
                        match heap.malloc(new) {
                            Some(block) => blocks[number] = (block, new),
                            None => drop(blocks.swap_remove(number)),
                        }
                    }
                }
            }
        }
    }
}

/// The instructions of one operation on a heap, without the instructions of the workload itself.
///
/// # Errors
/// If valgrind is not installed or fails.
pub fn instructions(heap: &str, arenas: usize, most: usize, case: Case) -> Result<f64> {
    let program = Program::current()?;
    let run = |heap: &str, ops: u64| {
        let [arenas, most, ops] = [arenas.to_string(), most.to_string(), ops.to_string()];
        let numbers = ["--arenas", &arenas, "--most", &most, "--ops", &ops];
        program.instructions(
            &[&["many", "--heap", heap, "--case", case.name()], &numbers[..]].concat(),
        )
    };
    const FEW: u64 = 5_000;
    const MORE: u64 = 25_000;
    let gross =
        |heap| anyhow::Ok((run(heap, MORE)? as f64 - run(heap, FEW)? as f64) / (MORE - FEW) as f64);
    Ok(gross(heap)? - gross(NOTHING)?)
}
