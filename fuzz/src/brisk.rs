//! A random legal program that makes many calls in little time, to find rare faults.
//!
//! The oracle compares the whole heap with its shadow after every call. This program only checks both ends of each
//! block that it passes, and verifies the heap at intervals. A checked heap must report nothing.

mod arenas;

use std::alloc::Layout;
use std::ptr::NonNull;

use fastrand::Rng;
use talloc_core::{Config, OwnedTalloc, Talloc};

use crate::ops::{Profile, with_profile};
use crate::pool::Pool;
use crate::run::{Failure, catch};

/// An error says what is wrong.
type Check = Result<(), String>;

/// The sizes of the pools for arenas. In the smaller ones, many requests fail.
const POOLS: [usize; 3] = [32 << 10, 128 << 10, 480 << 10];

/// The largest number of blocks at a time.
const BLOCKS: usize = 256;

/// The number of calls between two changes of arenas.
const RESHAPES: usize = 1 << 12;

/// The number of calls between two flushes.
const FLUSHES: usize = 1 << 14;

/// Runs a program of `calls` calls. The heap is verified after every `every` calls, and at the end.
pub fn run(profile: Profile, seed: u64, calls: usize, every: usize) -> Result<usize, Box<Failure>> {
    let ran = catch(|| with_profile!(profile, run_with(seed, calls, every)));
    let setup = format!("{profile:?}, seed {seed}, {calls} calls, verified every {every}");
    ran.map(|()| calls).map_err(|message| {
        Box::new(Failure {
            message,
            setup,
            calls: String::from("    // the calls are not recorded"),
        })
    })
}

fn run_with<C: Config>(seed: u64, calls: usize, every: usize) -> Check {
    let mut program = Program::<C>::new(seed);
    program.reshape()?;
    for call in 1..=calls {
        program.step(call)?;
        if call % every == 0 {
            program.verify()?;
        }
    }
    program.finish()
}

/// A block whose bytes at both ends are `stamp`.
#[derive(Clone, Copy)]
struct Block {
    ptr: NonNull<u8>,
    layout: Layout,
    stamp: u8,
}

/// A heap and its blocks.
struct Program<C: Config> {
    heap: OwnedTalloc<C>,
    blocks: [Option<Block>; BLOCKS],
    random: Rng,
    pool: Pool,
}

impl<C: Config> Program<C> {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let pool = Pool::new(POOLS[random.usize(..POOLS.len())]);
        Self { heap: Talloc::with_config(), blocks: [None; BLOCKS], random, pool }
    }

    fn step(&mut self, call: usize) -> Check {
        if call % RESHAPES == 0 {
            self.reshape()?;
        }
        if call % FLUSHES == 0 {
            self.heap.flush();
        }
        let place = self.random.usize(..BLOCKS);
        let next = match self.blocks[place].take() {
            None => self.allocate()?,
            Some(block) => {
                block.check()?;
                self.change(block)?
            }
        };
        self.blocks[place] = next;
        Ok(())
    }

    /// Returns a random size, usually a small one.
    fn size(&mut self) -> usize {
        match self.random.u8(..64) {
            0 => self.random.usize(1..16 << 10),
            1..=8 => self.random.usize(1..1 << 10),
            _ => self.random.usize(1..128),
        }
    }

    fn allocate(&mut self) -> Result<Option<Block>, String> {
        let most = if self.random.u8(..16) == 0 { 9 } else { 4 };
        let align = 1 << self.random.u8(..most);
        let layout = Layout::from_size_align(self.size(), align).expect("the size is small");
        let is_zeroed = self.random.u8(..8) == 0;
        // SAFETY: `malloc` and `malloc_zeroed` have no preconditions.
        let allocated = unsafe {
            if is_zeroed { self.heap.malloc_zeroed(layout) } else { self.heap.malloc(layout) }
        };
        let Ok(ptr) = allocated else { return Ok(None) };
        if is_zeroed {
            Block { ptr, layout, stamp: 0 }.check()?;
        }
        Ok(Some(self.stamped(ptr, layout)))
    }

    /// Frees or resizes a block. Returns the block, unless it was freed.
    fn change(&mut self, block: Block) -> Result<Option<Block>, String> {
        let Block { ptr, layout, .. } = block;
        let choice = self.random.u8(..8);
        if choice > 2 {
            // SAFETY: The heap allocated the block with this layout, and it is freed once.
            unsafe { self.heap.free(ptr, layout) };
            return Ok(None);
        }
        let size = self.size();
        let resized = Layout::from_size_align(size, layout.align()).expect("the size is small");
        // SAFETY: The heap allocated the block with this layout.
        let result = unsafe {
            match choice {
                0 => self.heap.realloc(ptr, layout, size),
                _ if size >= layout.size() => self.heap.grow_in_place(ptr, layout, size),
                _ => {
                    self.heap.shrink(ptr, layout, size);
                    Ok(ptr)
                }
            }
        };
        let Ok(ptr) = result else {
            block.check()?;
            return Ok(Some(block));
        };
        Block { ptr, ..block }.check_start(size.min(layout.size()))?;
        Ok(Some(self.stamped(ptr, resized)))
    }

    /// Returns a new block, after writing both ends.
    fn stamped(&mut self, ptr: NonNull<u8>, layout: Layout) -> Block {
        let block = Block { ptr, layout, stamp: self.random.u8(1..) };
        block.write();
        block
    }

    fn verify(&self) -> Check {
        self.heap.verify().map(drop).map_err(|violation| format!("verify: {violation}"))
    }

    /// Frees all blocks.
    fn finish(&mut self) -> Check {
        for place in 0..BLOCKS {
            if let Some(block) = self.blocks[place].take() {
                block.check()?;
                // SAFETY: The heap allocated the block with this layout, and it is freed once.
                unsafe { self.heap.free(block.ptr, block.layout) };
            }
        }
        self.heap.flush();
        self.verify()?;
        match self.heap.inspect().used_bytes() {
            0 => Ok(()),
            bytes => Err(format!("{bytes} bytes are in use after all blocks have been freed")),
        }
    }
}

impl Block {
    /// The number of bytes at each end that are written and checked.
    const END: usize = 8;

    /// Returns the bytes at both ends, which may overlap.
    fn ends(&self) -> [NonNull<[u8]>; 2] {
        let len = self.layout.size().min(Self::END);
        [0, self.layout.size() - len].map(|at| {
            // SAFETY: The offset is at most the size of the block.
            NonNull::slice_from_raw_parts(unsafe { self.ptr.add(at) }, len)
        })
    }

    fn write(&self) {
        for mut end in self.ends() {
            // SAFETY: The program owns the block. The memory of a pool is initialised.
            unsafe { end.as_mut() }.fill(self.stamp);
        }
    }

    fn check(&self) -> Check {
        let is_kept = self.ends().iter().all(|end| {
            // SAFETY: The program owns the block. The memory of a pool is initialised.
            unsafe { end.as_ref() }.iter().all(|byte| *byte == self.stamp)
        });
        if is_kept { Ok(()) } else { Err(format!("the block {:p} was overwritten", self.ptr)) }
    }

    /// Checks the ends of the first `kept` bytes of a resized block, which must be unchanged.
    fn check_start(&self, kept: usize) -> Check {
        let size = kept.min(Self::END).min(self.layout.size());
        let layout = Layout::from_size_align(size, 1).expect("the size is small");
        Self { layout, ..*self }.check()
    }
}
