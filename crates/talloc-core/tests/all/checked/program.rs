//! A random program that makes only correct calls.

use std::alloc::Layout;
use std::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{Config, Micro, OwnedTalloc, Span, Talloc};

use crate::checked::{Noted, found};
use crate::common::{layout, memory, part};

/// An allocated block.
#[derive(Clone, Copy)]
pub struct Block {
    pub ptr: NonNull<u8>,
    pub layout: Layout,
    /// The value of its bytes.
    pub byte: u8,
}

/// A heap and its blocks.
pub struct Program<C: Config> {
    pub heap: OwnedTalloc<Noted<C>>,
    pub arenas: Vec<Span>,
    pub blocks: Vec<Block>,
    pub rng: Rng,
    /// The addresses and layouts of freed blocks.
    pub freed: Vec<(usize, Layout)>,
}

/// The number of freed blocks to remember.
const REMEMBERED: usize = 64;

impl<C: Config> Program<C> {
    /// Creates a program with `arenas` arenas of 32 KiB, with gaps of 8 KiB.
    pub fn new(arenas: usize, seed: u64) -> Self {
        let memory = memory(arenas * (40 << 10));
        let arenas: Vec<_> =
            (0..arenas).map(|index| part(memory, index * (40 << 10), 32 << 10)).collect();
        let mut heap = Talloc::with_config();
        for arena in &arenas {
            // SAFETY: The memory is leaked, and nothing else uses it.
            unsafe { heap.claim(*arena) }.unwrap();
        }
        let rng = Rng::with_seed(seed);
        Self { heap, arenas, blocks: Vec::new(), rng, freed: Vec::new() }
    }

    /// Makes one correct call.
    pub fn step(&mut self) {
        match self.rng.usize(..8) {
            0..3 => self.allocate(),
            3..5 => self.free(),
            5 => self.grow(),
            6 => self.shrink(),
            _ if self.rng.usize(..64) == 0 => self.heap.flush(),
            _ => self.allocate(),
        }
    }

    fn allocate(&mut self) {
        let most = 1 << self.rng.usize(1..13);
        let size = 1 + self.rng.usize(..most);
        let align = if self.rng.usize(..4) == 0 { 1 << self.rng.usize(..9) } else { 8 };
        let layout = layout(size, align);
        // SAFETY: `malloc` has no preconditions.
        match unsafe { self.heap.malloc(layout) } {
            Ok(ptr) => {
                let byte = self.rng.u8(..);
                // SAFETY: The access is within the block.
                unsafe { ptr.write_bytes(byte, size) };
                self.freed.retain(|(addr, _)| *addr != ptr.addr().get());
                self.blocks.push(Block { ptr, layout, byte });
            }
            Err(_) => (0..8).for_each(|_| self.free()),
        }
    }

    fn free(&mut self) {
        if let Some(Block { ptr, layout, byte }) = self.take() {
            check(ptr, layout.size(), byte);
            // SAFETY: The block has this layout, and is freed once.
            unsafe { self.heap.free(ptr, layout) };
            if self.freed.len() == REMEMBERED {
                self.freed.swap_remove(self.rng.usize(..REMEMBERED));
            }
            self.freed.push((ptr.addr().get(), layout));
        }
    }

    fn grow(&mut self) {
        let more = self.rng.usize(..200);
        let Some(Block { ptr, layout: old, byte }) = self.take() else { return };
        let new = layout(old.size() + more, old.align());
        // SAFETY: The block has this layout, and the new size is larger.
        let block = match unsafe { self.heap.grow(ptr, old, new.size()) } {
            Ok(ptr) => {
                check(ptr, old.size(), byte);
                // SAFETY: The access is within the block.
                unsafe { ptr.write_bytes(byte, new.size()) };
                self.freed.retain(|(addr, _)| *addr != ptr.addr().get());
                Block { ptr, layout: new, byte }
            }
            Err(_) => Block { ptr, layout: old, byte },
        };
        self.blocks.push(block);
    }

    fn shrink(&mut self) {
        let Some(Block { ptr, layout: old, byte }) = self.take() else { return };
        let new = layout(1 + self.rng.usize(..old.size()), old.align());
        // SAFETY: The block has this layout, and the new size is smaller.
        unsafe { self.heap.shrink(ptr, old, new.size()) };
        check(ptr, new.size(), byte);
        self.blocks.push(Block { ptr, layout: new, byte });
    }

    fn take(&mut self) -> Option<Block> {
        if self.blocks.is_empty() {
            return None;
        }
        let index = self.rng.usize(..self.blocks.len());
        Some(self.blocks.swap_remove(index))
    }

    /// Frees all blocks, and expects one free chunk per arena.
    pub fn finish(mut self) {
        while !self.blocks.is_empty() {
            self.free();
        }
        self.heap.flush();
        let report = self.heap.verify().unwrap();
        assert_eq!((report.used_blocks, report.free_chunks), (Some(0), self.arenas.len()));
    }
}

/// Expects all bytes of a block to be `byte`.
fn check(ptr: NonNull<u8>, size: usize, byte: u8) {
    // SAFETY: The access is within the block, whose bytes are initialised.
    let bytes = unsafe { core::slice::from_raw_parts(ptr.as_ptr(), size) };
    assert!(bytes.iter().all(|other| *other == byte), "a block has changed");
}

/// Expects no report in `steps` steps.
fn nothing_is_reported<C: Config>(arenas: usize, steps: usize) {
    let mut program = Program::<C>::new(arenas, 1);
    for step in 0..steps {
        program.step();
        if step % 64 == 0 {
            let report = program.heap.verify().unwrap();
            assert_eq!(report.used_blocks, Some(program.blocks.len()));
        }
    }
    program.finish();
    assert_eq!(found(), []);
}

#[test]
fn correct_calls_are_not_reported() {
    let steps = if cfg!(miri) { 1000 } else { 200_000 };
    nothing_is_reported::<talloc_core::Compact>(1, steps);
    nothing_is_reported::<talloc_core::Compact>(3, steps);
    nothing_is_reported::<talloc_core::RealTime>(1, steps);
    nothing_is_reported::<Micro>(2, steps);
}
