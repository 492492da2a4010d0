//! Hooks of the program that panic, at each of their calls in turn. The heap stays consistent and usable.

use std::alloc::Layout;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use crate::common::{layout, memory, part};
use fastrand::Rng;
use talloc_core::{
    Align, AllocError, Checked, Compact, Config, Kind, Kinds, Level, Memory, Micro, Misuse,
    OnMisuse, OwnedTalloc, RealTime, Source, Span, Talloc, Tiny,
};

const STEPS: usize = if cfg!(miri) { 60 } else { 400 };

/// The number of bytes that the source provides at a time.
const PIECE: usize = 8 << 10;

std::thread_local! {
    /// The number of calls of hooks so far, and the number of the call that panics.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static PANICS_AT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The panic of a hook.
struct Bomb;

/// Counts a call of a hook. Panics if this is the call that should.
fn hook() {
    CALLS.set(CALLS.get() + 1);
    if CALLS.get() == PANICS_AT.get() {
        // This prints no message.
        resume_unwind(Box::new(Bomb));
    }
}

/// A source that does everything a source may do, with a hook before and after each step.
struct Supply {
    rest: Span,
    random: Rng,
    /// Blocks to be freed when memory runs out.
    kept: Vec<(NonNull<u8>, Layout)>,
}

impl<C: Config> Source<C> for Supply {
    const EXTENDS: bool = true;
    const RECLAIMS: bool = true;

    fn tend(heap: &mut Talloc<C, Self>) {
        hook();
        if heap.source_mut().random.u8(0..4) == 0 {
            heap.trim();
        }
        hook();
    }

    fn acquire(heap: &mut Talloc<C, Self>, _: Layout) -> Result<(), AllocError> {
        hook();
        let source = heap.source_mut();
        let (piece, rest) = match source.rest.base() {
            Some(base) if source.rest.size() > PIECE => source.rest.split_at(base + PIECE),
            _ => (Span::empty(), Span::empty()),
        };
        // The source may lie.
        let answer = match source.random.u8(0..6) {
            0 => Err(AllocError),
            1 => source.kept.pop().map_or(Ok(()), |(block, layout)| {
                // SAFETY: The block has this layout, and is freed once.
                unsafe { heap.free(block, layout) };
                Ok(())
            }),
            2 => {
                let (arena, least) = (heap.get_arena(), heap.get_allocated_span());
                if least.is_sized() {
                    heap.truncate(least);
                    hook();
                    // SAFETY: The arena had this memory before.
                    unsafe { heap.extend(arena) };
                }
                Ok(())
            }
            3 => {
                heap.flush();
                Ok(())
            }
            _ if piece.is_empty() => Err(AllocError),
            _ => {
                source.rest = rest;
                let last = heap.arenas().last().unwrap();
                hook();
                // SAFETY: The memory is leaked, and nothing else uses it. The memory around each piece is part of the
                // same allocation.
                unsafe {
                    let known = Memory::RECLAIMABLE;
                    let raised = last.acme() == piece.base()
                        && heap
                            .arena(last)
                            .and_then(|mut arena| arena.raise(piece.size(), known))
                            .is_ok();
                    if !raised {
                        heap.arenas_mut().claim_as(piece, known).map_err(|_| AllocError)?;
                    }
                }
                Ok(())
            }
        };
        hook();
        answer
    }

    fn acquire_in(
        heap: &mut Talloc<C, Self>,
        kinds: Kinds,
        layout: Layout,
    ) -> Result<(), AllocError> {
        hook();
        if !kinds.contains(Kind::DEFAULT) {
            return Err(AllocError);
        }
        let answer = Self::acquire(heap, layout);
        hook();
        answer
    }

    fn release(heap: &mut Talloc<C, Self>) {
        hook();
        // SAFETY: The memory stays as it is.
        unsafe {
            heap.arenas_mut().discard(Align::new(64).unwrap(), 64, |_| {
                hook();
                Memory::empty()
            });
        }
        let first = heap.get_arena();
        while heap.arenas_mut().reclaim_arena(first).is_some() {
            hook();
        }
    }
}

/// A misuse handler that calls the hook.
struct Tells;

impl OnMisuse for Tells {
    fn misuse(_: &Misuse) {
        hook();
    }
}

/// A block whose bytes all have the same value.
#[derive(Clone, Copy)]
struct Block {
    ptr: NonNull<u8>,
    layout: Layout,
    tag: u8,
}

impl Block {
    fn new(ptr: NonNull<u8>, layout: Layout, tag: u8) -> Self {
        // SAFETY: The access is within the block.
        unsafe { ptr.write_bytes(tag, layout.size()) };
        Self { ptr, layout, tag }
    }

    fn check(self, bytes: usize) {
        // SAFETY: The access is within the block, whose bytes are initialised.
        let content = unsafe { NonNull::slice_from_raw_parts(self.ptr, bytes).as_ref() };
        assert!(content.iter().all(|byte| *byte == self.tag), "a block has been overwritten");
    }
}

/// A heap and its blocks.
struct Program<C: Config> {
    heap: OwnedTalloc<C, Supply>,
    blocks: Vec<Block>,
    random: Rng,
    panics: usize,
}

impl<C: Config> Program<C> {
    fn new(memory: Span, seed: u64) -> Self {
        let random = Rng::with_seed(seed);
        let supply = Supply {
            rest: part(memory, 2 * PIECE, memory.size() - 2 * PIECE),
            random: random.clone(),
            kept: Vec::new(),
        };
        let mut heap = Talloc::with_source(supply);
        // SAFETY: The memory is leaked, and nothing else uses it.
        unsafe { heap.arenas_mut().claim_as(part(memory, 0, PIECE), Memory::RECLAIMABLE) }.unwrap();
        Self { heap, blocks: Vec::new(), random, panics: 0 }
    }

    /// Makes a call and checks the heap. Returns `None` if a hook has panicked.
    fn call<T>(&mut self, call: impl FnOnce(&mut Talloc<C, Supply>) -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(|| call(&mut self.heap)));
        if let Err(panic) = &result {
            assert!(panic.is::<Bomb>(), "the panic is not from a hook");
            self.panics += 1;
        }
        self.heap.verify().unwrap();
        result.ok()
    }

    fn allocate(&mut self) {
        let size = 1 << self.random.u32(0..13);
        let layout = layout(self.random.usize(1..=size), 1 << self.random.u32(0..8));
        let (way, tag) = (self.random.u8(0..8), self.random.u8(..));
        let (zeroed, kinds) = (way < 2, [Kinds::ANY, Kinds::only(Kind::new(1))]);
        // SAFETY: `malloc` and `malloc_zeroed` have no preconditions.
        let block = self.call(|heap| unsafe {
            match way {
                0..2 => heap.malloc_zeroed(layout),
                2..4 => heap.of_kinds(kinds[usize::from(way) - 2]).malloc(layout),
                _ => heap.malloc(layout),
            }
        });
        if let Some(Ok(ptr)) = block {
            if zeroed {
                Block { ptr, layout, tag: 0 }.check(layout.size());
            }
            self.blocks.push(Block::new(ptr, layout, tag));
        }
    }

    fn resize(&mut self) {
        let Some(block) = self.take() else { return };
        let Block { ptr, layout: old, tag } = block;
        let size = self.random.usize(1..=2 * old.size());
        let shrinks = size <= old.size() && self.random.bool();
        // SAFETY: The block has this layout.
        let resized = self.call(|heap| unsafe {
            if !shrinks {
                return heap.realloc(ptr, old, size);
            }
            heap.shrink(ptr, old, size);
            Ok(ptr)
        });
        match resized {
            Some(Ok(ptr)) => {
                Block { ptr, ..block }.check(size.min(old.size()));
                self.blocks.push(Block::new(ptr, layout(size, old.align()), tag));
            }
            // The block is unchanged after a failure or a panic.
            _ => self.blocks.push(block),
        }
    }

    fn free(&mut self) {
        let Some(block) = self.take() else { return };
        block.check(block.layout.size());
        if self.random.u8(0..16) == 0 {
            self.heap.source_mut().kept.push((block.ptr, block.layout));
            return;
        }
        // SAFETY: The block has this layout, and is freed once. If a hook panics, the block is already free.
        self.call(|heap| unsafe { heap.free(block.ptr, block.layout) });
    }

    /// Passes a wrong layout to a checked heap.
    fn lie(&mut self) {
        if !C::CHECKED {
            return;
        }
        let Some(block) = self.take() else { return };
        let wrong = layout(block.layout.size() + 64, 8);
        let before = self.heap.verify().unwrap();
        // SAFETY: The heap detects misuse before it changes anything.
        self.call(|heap| unsafe { heap.free(block.ptr, wrong) });
        // SAFETY: The heap detects misuse before it changes anything.
        self.call(|heap| unsafe { heap.shrink(block.ptr, wrong, 1) });
        assert_eq!(self.heap.verify().unwrap(), before);
        self.blocks.push(block);
    }

    fn take(&mut self) -> Option<Block> {
        let count = self.blocks.len();
        (count > 0).then(|| self.blocks.swap_remove(self.random.usize(0..count)))
    }

    fn step(&mut self, grows: bool) {
        match self.random.u8(0..if grows { 24 } else { 32 }) {
            0..10 => self.allocate(),
            10..14 => self.resize(),
            14 => drop(self.call(Talloc::flush)),
            15..17 => drop(self.call(Talloc::trim)),
            17 => self.lie(),
            _ => self.free(),
        }
    }

    /// Frees all blocks and expects all memory to be free.
    fn end(mut self) -> usize {
        for block in self.blocks.clone() {
            block.check(block.layout.size());
        }
        let kept = self.heap.source_mut().kept.drain(..).collect::<Vec<_>>();
        let blocks = self.blocks.drain(..).map(|block| (block.ptr, block.layout));
        for (ptr, layout) in blocks.chain(kept).collect::<Vec<_>>() {
            // SAFETY: The block has this layout, and is freed once.
            self.call(|heap| unsafe { heap.free(ptr, layout) });
        }
        self.heap.flush();
        let report = self.heap.verify().unwrap();
        assert_eq!((report.used_bytes, report.free_chunks), (0, report.arenas));
        self.panics
    }
}

/// Runs a random program in which call `panics_at` panics. Returns the numbers of calls and of panics.
fn run<C: Config>(memory: Span, seed: u64, panics_at: usize) -> (usize, usize) {
    CALLS.set(0);
    PANICS_AT.set(panics_at);
    let mut program = Program::<C>::new(memory, seed);
    for number in 0..STEPS {
        program.step(number % 200 < 120);
    }
    PANICS_AT.set(usize::MAX);
    let calls = CALLS.get();
    (calls, program.end())
}

fn each_call_panics<C: Config>() {
    let memory = memory(256 << 10);
    for seed in 0..2 {
        let (calls, panics) = run::<C>(memory, seed, usize::MAX);
        assert!(calls > STEPS / 16 && panics == 0, "{calls} calls");
        for panics_at in 1..=calls {
            let (_, panics) = run::<C>(memory, seed, panics_at);
            assert_eq!(panics, 1, "at call {panics_at}");
        }
    }
}

#[test]
fn of_a_compact_heap() {
    each_call_panics::<Compact>();
}

#[test]
fn of_a_heap_in_real_time() {
    each_call_panics::<RealTime>();
}

#[test]
fn of_small_heaps() {
    each_call_panics::<Micro>();
    each_call_panics::<Tiny>();
}

#[test]
fn of_checked_heaps() {
    each_call_panics::<Checked<Compact, Tells>>();
    each_call_panics::<Checked<Micro, Tells>>();
    each_call_panics::<Checked<Tiny, Tells>>();
}
